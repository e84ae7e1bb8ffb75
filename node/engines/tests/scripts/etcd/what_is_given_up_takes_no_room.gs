# 4096 bytes are the cluster's own. A change takes 64 bytes and those of its key and value; a lease 64. What a compaction gave up
# does not count, though it is removed much later.
members 1
genesis voters=1
raise 2
bytes
put abc "<100 bytes>"
bytes
put abc "<200 bytes>"
bytes
grant 7 60
bytes
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
4096
accepted 0.0.3 | put revision=2 created=true
4263
accepted 0.0.4 | put revision=3 created=false
4530
accepted 0.0.5 | lease 7 at revision 3
4594

delete abc
bytes
compact 3
bytes
compact 4
bytes
put abc 1
compact 5
bytes
reopen
bytes
put abc 2
put abc 3
bytes
entry "put x 1" "put x 2" "delete x" "put y 1"
bytes
---
accepted 0.0.6 | delete revision=4 existed=true
4661
accepted 0.0.7 | done at revision 4
4494
accepted 0.0.8 | done at revision 4
4227
accepted 0.0.9 | put revision=5 created=true
accepted 0.0.10 | done at revision 5
4228
4228
accepted 0.0.11 | put revision=6 created=false
accepted 0.0.12 | put revision=7 created=false
4364
accepted 0.0.13 | put revision=8 created=true | put revision=9 created=false | delete revision=10 existed=true | put revision=11 created=true
4627
