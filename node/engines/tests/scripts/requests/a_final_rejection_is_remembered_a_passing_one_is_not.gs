members 1
put a 1 request=early
genesis voters=1 request=form
put a 1 request=early
---
accepted 0.0.0
rejected: the cluster is not open yet: its first voters have not all joined
accepted 0.0.2 | done
accepted 0.0.3 | put revision=1 created=true

put "" 1 request=empty
put "" 1 request=empty
put a 2 request=empty
---
rejected: a key has at least one byte
rejected: a key has at least one byte
rejected: the request id was used for another request
