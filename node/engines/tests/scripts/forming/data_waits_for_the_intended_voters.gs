# Nothing is formed: data is refused, the cluster's own commands are not.
members 1
put a 1
delete a
noop
status
---
accepted 0.0.0
rejected: the cluster is not open yet: its first voters have not all joined
rejected: the cluster is not open yet: its first voters have not all joined
accepted 0.0.3 | done
position 0.0.3 revision 0
cluster none intended voters none open false
membership {1} at 0 removed {}
incarnation 0 level 1

genesis voters=3
put a 1
members "1,2,3" voters=1
members "1,2,3" voters="1,2"
put a 1
members "1,2,3"
put a 1
status
---
accepted 0.0.4 | done
rejected: the cluster is not open yet: its first voters have not all joined
accepted 0.0.6
accepted 0.0.7
rejected: the cluster is not open yet: its first voters have not all joined
accepted 0.0.9
accepted 0.0.10 | put revision=1 created=true
position 0.0.10 revision 1
cluster 000102030405060708090a0b0c0d0e0f intended voters 3 open true
membership {1, 2, 3} at 9 removed {}
incarnation 0 level 1

# Once open it stays open.
members "1,2" voters="1,2"
put a 2
reopen
put a 3
status
---
accepted 0.0.11
accepted 0.0.12 | put revision=2 created=false
accepted 0.0.13 | put revision=3 created=false
position 0.0.13 revision 3
cluster 000102030405060708090a0b0c0d0e0f intended voters 3 open true
membership {1, 2} at 11 removed {3}
incarnation 0 level 1
