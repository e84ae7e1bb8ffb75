members 1
genesis voters=1
put a 1 request=r1 at=1000
put "" 1 at=601000
put a 2 request=r1 at=1000
get a
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
rejected: a key has at least one byte
accepted 0.0.4 | put revision=2 created=false
"2" revision=2 created=1
