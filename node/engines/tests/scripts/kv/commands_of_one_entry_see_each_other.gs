members 1
genesis voters=1
put old 0
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true

entry "put a 1" "put a 2" "delete a" "put a 3" "delete old" "delete old"
list
get a
get old
---
accepted 0.0.3 | put revision=2 created=true | put revision=3 created=false | delete revision=4 existed=true | put revision=5 created=true | delete revision=6 existed=true | delete revision=7 existed=false
a revision=5 bytes=1
"3" revision=5 created=5
nothing
