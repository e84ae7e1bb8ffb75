members 1
genesis voters=1
put a 1
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true

# The last command is refused: nothing of the entry happened, and it used no revision.
entry "put a 2" "delete a" "put b 1" "put <4097bytes> x"
get a
get b
put c 1
list
---
rejected: the key has 4097 bytes, more than 4096
"1" revision=1 created=1
nothing
accepted 0.0.4 | put revision=2 created=true
a revision=1 bytes=1
c revision=2 bytes=1
