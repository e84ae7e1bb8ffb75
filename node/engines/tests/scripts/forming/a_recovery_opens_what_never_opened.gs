# What was never formed stays closed.
recover 1
put a 1
---
accepted 0.1.0 | done
rejected: the cluster is not open yet: its first voters have not all joined

# Formed, and its voters never all came: one that begins anew takes data.
genesis voters=3
members 1
put a 1
recover 2
put a 1
status
---
accepted 0.1.2 | done
accepted 0.1.3
rejected: the cluster is not open yet: its first voters have not all joined
accepted 0.2.5 | done
accepted 0.2.6 | put revision=1 created=true
position 0.2.6 revision 1
cluster 000102030405060708090a0b0c0d0e0f intended voters 3 open true
membership {1} at 3 removed {}
incarnation 2 level 1
