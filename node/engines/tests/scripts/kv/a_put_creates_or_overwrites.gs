# A value is overwritten under a new revision; the revision that made the key stays.
members 1
genesis voters=1
put a 1
get a
put a 22
get a
list
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
"1" revision=1 created=1
accepted 0.0.3 | put revision=2 created=false
"22" revision=2 created=1
a revision=2 bytes=2

# A key that was deleted is made anew.
delete a
get a
put a 3
get a
---
accepted 0.0.4 | delete revision=3 existed=true
nothing
accepted 0.0.5 | put revision=4 created=true
"3" revision=4 created=4
