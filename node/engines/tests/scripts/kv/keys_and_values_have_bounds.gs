members 1
genesis voters=1
put "" 1
delete ""
put "<4096bytes>" 1
put "<4097bytes>" 1
delete "<4097bytes>"
put a "<1048576bytes>"
put a "<1048577bytes>"
put b ""
get b
---
accepted 0.0.0
accepted 0.0.1 | done
rejected: a key has at least one byte
rejected: a key has at least one byte
accepted 0.0.4 | put revision=1 created=true
rejected: the key has 4097 bytes, more than 4096
rejected: the key has 4097 bytes, more than 4096
accepted 0.0.7 | put revision=2 created=true
rejected: the value has 1048577 bytes, more than 1048576
accepted 0.0.9 | put revision=3 created=true
"" revision=3 created=3
