# What was replaced is gone with the same entry; steps are of level 2. To reach it takes a revision, at which nothing changed.
members 1
genesis voters=1
put a 1
put a 2
query a at=1
step "put a 3"
compact 1
raise 2
put a 3
step "put a 4"
query a at=2
query a at=3
query a at=4
raise 1
status
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
accepted 0.0.3 | put revision=2 created=false
rejected: the history before that revision was given up
rejected: the command needs feature level 2, and the cluster is at 1
rejected: the command needs feature level 2, and the cluster is at 1
accepted 0.0.6 | done
accepted 0.0.7 | put revision=4 created=false
accepted 0.0.8 | after revision 4: put
rejected: the history before that revision was given up
revision 5
a "2" created=1 modified=2 version=1 lease=0
count 1 more false
revision 5
a "3" created=1 modified=4 version=2 lease=0
count 1 more false
accepted 0.0.9 | done
position 0.0.9 revision 5
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 2
