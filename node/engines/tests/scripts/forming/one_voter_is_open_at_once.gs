members 1
genesis voters=1
put a 1
status
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
position 0.0.2 revision 1
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 1
