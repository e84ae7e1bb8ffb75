# The commands of an entry see each other across engines, and fall together.
members 1
entry "genesis 1" "put a 1" "put <4097bytes> 1"
status
entry "put a 1" "genesis 1"
entry "genesis 1" "put a 1"
status
get a
---
accepted 0.0.0
rejected: the key has 4097 bytes, more than 4096
position 0.0.1 revision 0
cluster none intended voters none open false
membership {1} at 0 removed {}
incarnation 0 level 1
rejected: the cluster is not open yet: its first voters have not all joined
accepted 0.0.3 | done | put revision=1 created=true
position 0.0.3 revision 1
cluster 07070707070707070707070707070707 intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 1
"1" revision=1 created=1
