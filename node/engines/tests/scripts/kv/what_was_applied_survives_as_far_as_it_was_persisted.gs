members 1
genesis voters=1
put a 1
persist
put a 2
put b 1
crash
status
list
get a
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
accepted 0.0.3 | put revision=2 created=false
accepted 0.0.4 | put revision=3 created=true
position 0.0.2 revision 1
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 1
a revision=1 bytes=1
"1" revision=1 created=1

# The log brings the lost entries again.
put a 2
put b 1
list
persist
crash
list
---
accepted 0.0.3 | put revision=2 created=false
accepted 0.0.4 | put revision=3 created=true
a revision=2 bytes=1
b revision=3 bytes=1
a revision=2 bytes=1
b revision=3 bytes=1
