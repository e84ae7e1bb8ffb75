members 1
genesis voters=0
genesis voters=2
genesis voters=2
genesis voters=3
genesis voters=2 id=ffffffffffffffffffffffffffffffff
status
---
accepted 0.0.0
rejected: a cluster is formed of at least one voter
accepted 0.0.2 | done
accepted 0.0.3 | done
rejected: the cluster was already formed, as another one
rejected: the cluster was already formed, as another one
position 0.0.5 revision 0
cluster 000102030405060708090a0b0c0d0e0f intended voters 2 open false
membership {1} at 0 removed {}
incarnation 0 level 1
