members 1
genesis voters=1
entry "put a 1" "put b/1 1" "put b/2 22" "put b/3 333" "put b0 1" "put c 1"
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true | put revision=2 created=true | put revision=3 created=true | put revision=4 created=true | put revision=5 created=true | put revision=6 created=true

list b/
list b/ limit=2
list b/ from=b/3 limit=2
list limit=0
list from=b/30
list d
---
b/1 revision=2 bytes=1
b/2 revision=3 bytes=2
b/3 revision=4 bytes=3
b/1 revision=2 bytes=1
b/2 revision=3 bytes=2
next=b/3
b/3 revision=4 bytes=3
next=a
b0 revision=5 bytes=1
c revision=6 bytes=1
