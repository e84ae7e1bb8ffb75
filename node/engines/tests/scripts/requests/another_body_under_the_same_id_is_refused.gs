members 1
genesis voters=1
put a 1 request=r1
put a 2 request=r1
put b 1 request=r1
delete a request=r1
get a
put a 1 request=r1
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
rejected: the request id was used for another request
rejected: the request id was used for another request
rejected: the request id was used for another request
"1" revision=1 created=1
accepted 0.0.2 | put revision=1 created=true
