members 1
genesis voters=1
raise 2
step "put a 3"
step "put b 2"
step "put c 1"
step "put b 22"
query a ".." limit=2
query a ".." limit=2 by=value
query a ".." by=version limit=1
query a ".." by=key
query a ".." modified-min=4
query a ".." created-max=2 values=no
query a ".." count=only
query c a
query a b
query b at=3 values=no
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | after revision 1: put
accepted 0.0.4 | after revision 2: put
accepted 0.0.5 | after revision 3: put
accepted 0.0.6 | after revision 4: put
revision 5
a "3" created=2 modified=2 version=1 lease=0
b "22" created=3 modified=5 version=2 lease=0
count 3 more true
revision 5
c "1" created=4 modified=4 version=1 lease=0
b "22" created=3 modified=5 version=2 lease=0
count 3 more true
revision 5
b "22" created=3 modified=5 version=2 lease=0
count 3 more true
revision 5
c "1" created=4 modified=4 version=1 lease=0
b "22" created=3 modified=5 version=2 lease=0
a "3" created=2 modified=2 version=1 lease=0
count 3 more false
revision 5
b "22" created=3 modified=5 version=2 lease=0
c "1" created=4 modified=4 version=1 lease=0
count 3 more false
revision 5
a "" created=2 modified=2 version=1 lease=0
count 3 more false
revision 5
count 3 more false
revision 5
count 0 more false
revision 5
a "3" created=2 modified=2 version=1 lease=0
count 1 more false
revision 5
b "" created=3 modified=3 version=1 lease=0
count 1 more false
