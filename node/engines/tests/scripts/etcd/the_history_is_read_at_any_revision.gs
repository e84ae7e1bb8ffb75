# Each write is one revision; what was there at each of them is still read.
members 1
genesis voters=1
raise 2
step "put a 1"
step "put b 2"
step "put a 11"
step "delete a"
step "put a 111"
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | after revision 1: put
accepted 0.0.4 | after revision 2: put
accepted 0.0.5 | after revision 3: put
accepted 0.0.6 | after revision 4: delete 1
accepted 0.0.7 | after revision 5: put

query a
query a at=2
query a at=4
query a at=5
query a ".." at=3
query a ".."
query a at=7
---
revision 6
a "111" created=6 modified=6 version=1 lease=0
count 1 more false
revision 6
a "1" created=2 modified=2 version=1 lease=0
count 1 more false
revision 6
a "11" created=2 modified=4 version=2 lease=0
count 1 more false
revision 6
count 0 more false
revision 6
a "1" created=2 modified=2 version=1 lease=0
b "2" created=3 modified=3 version=1 lease=0
count 2 more false
revision 6
a "111" created=6 modified=6 version=1 lease=0
b "2" created=3 modified=3 version=1 lease=0
count 2 more false
rejected: no write has had that revision yet

# A delete that finds nothing takes no revision.
step "delete x"
status
reopen
query a at=4
query a at=5
---
accepted 0.0.8 | after revision 6: delete 0
position 0.0.8 revision 6
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 2
revision 6
a "11" created=2 modified=4 version=2 lease=0
count 1 more false
revision 6
count 0 more false
