members 1
genesis voters=1
---
accepted 0.0.0
accepted 0.0.1 | done

# Every kv command of an accepted entry has a revision, also one that finds nothing to delete.
delete a
put a 1
delete a
delete a
list
---
accepted 0.0.2 | delete revision=1 existed=false
accepted 0.0.3 | put revision=2 created=true
accepted 0.0.4 | delete revision=3 existed=true
accepted 0.0.5 | delete revision=4 existed=false
