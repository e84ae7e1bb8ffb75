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
accepted 0.0.3 | after revision 0: put
accepted 0.0.4 | after revision 1: put
accepted 0.0.5 | after revision 2: put
accepted 0.0.6 | after revision 3: delete 1
accepted 0.0.7 | after revision 4: put

query a
query a at=1
query a at=3
query a at=4
query a ".." at=2
query a ".."
query a at=6
---
revision 5
a "111" created=5 modified=5 version=1 lease=0
count 1 more false
revision 5
a "1" created=1 modified=1 version=1 lease=0
count 1 more false
revision 5
a "11" created=1 modified=3 version=2 lease=0
count 1 more false
revision 5
count 0 more false
revision 5
a "1" created=1 modified=1 version=1 lease=0
b "2" created=2 modified=2 version=1 lease=0
count 2 more false
revision 5
a "111" created=5 modified=5 version=1 lease=0
b "2" created=2 modified=2 version=1 lease=0
count 2 more false
rejected: no write has had that revision yet

# A delete that finds nothing takes no revision.
step "delete x"
status
reopen
query a at=3
query a at=4
---
accepted 0.0.8 | after revision 5: delete 0
position 0.0.8 revision 5
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 2
revision 5
a "11" created=1 modified=3 version=2 lease=0
count 1 more false
revision 5
count 0 more false
