members 1
genesis voters=1
raise 2
grant 7 60
step "put b 1 7"
step "put a 1 7"
step "put c 1 7"
step "put c 2"
step "put x 1 8"
grant 7 60
query a ".."
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | lease 7 at revision 1
accepted 0.0.4 | after revision 1: put
accepted 0.0.5 | after revision 2: put
accepted 0.0.6 | after revision 3: put
accepted 0.0.7 | after revision 4: put
rejected: there is no such lease: it ended, or was never made
rejected: there is such a lease already
revision 5
a "1" created=3 modified=3 version=1 lease=7
b "1" created=2 modified=2 version=1 lease=7
c "2" created=4 modified=5 version=2 lease=0
count 3 more false

# Its keys go with one revision, in order.
run
step "put d 1 7"
revoke 7
end
query a ".."
query a b after=6 changes=1
query b c after=6 changes=1
revoke 7
---
accepted 0.0.10 | after revision 5: put
accepted 0.0.11 | revoked at revision 7
revision 7
c "2" created=4 modified=5 version=2 lease=0
count 1 more false
count 0 more false
b "1" created=2 modified=2 version=1 lease=7
count 1 more false
rejected: there is no such lease: it ended, or was never made

# One without keys takes none.
grant 9 1
revoke 9
status
reopen
---
accepted 0.0.13 | lease 9 at revision 7
accepted 0.0.14 | revoked at revision 7
position 0.0.14 revision 7
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 2
