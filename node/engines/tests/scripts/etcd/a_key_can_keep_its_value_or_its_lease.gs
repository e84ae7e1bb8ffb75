members 1
genesis voters=1
raise 2
step "keep-value a 0"
step "keep-lease a 1"
grant 1 60
step "put a 1 1"
step "keep-lease a 2"
query a
step "keep-value a 0"
query a
revoke 1
query a
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
rejected: there is no such key whose value or lease could be kept
rejected: there is no such key whose value or lease could be kept
accepted 0.0.5 | lease 1 at revision 1
accepted 0.0.6 | after revision 1: put
accepted 0.0.7 | after revision 2: put
revision 3
a "2" created=2 modified=3 version=2 lease=1
count 1 more false
accepted 0.0.8 | after revision 3: put
revision 4
a "2" created=2 modified=4 version=3 lease=0
count 1 more false
accepted 0.0.9 | revoked at revision 4
revision 4
a "2" created=2 modified=4 version=3 lease=0
count 1 more false
