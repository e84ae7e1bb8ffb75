members 1
genesis voters=1
noop at=1000000
reopen
put b 1 request=r2 at=1
put b 2 request=r2 at=600001
put b 2 request=r2 at=1600000
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | put revision=1 created=true
rejected: the request id was used for another request
accepted 0.0.5 | put revision=2 created=false
