members 1
genesis voters=1
raise 2
step "put a <1024bytes>"
step "put b <1025bytes>"
step "put b 1"
list
reopen
list
query b at=3 values=no
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | after revision 1: put
accepted 0.0.4 | after revision 2: put
accepted 0.0.5 | after revision 3: put
a revision=2 bytes=1024
b revision=4 bytes=1
a revision=2 bytes=1024
b revision=4 bytes=1
revision 4
b "" created=3 modified=3 version=1 lease=0
count 1 more false
