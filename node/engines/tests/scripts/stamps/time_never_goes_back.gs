# A leader whose clock lies behind stamps entries that count as of the time before them.
members 1
genesis voters=1
put a 1 request=r1 at=1000000
put b 1 request=r2 at=1
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
accepted 0.0.3 | put revision=2 created=true

# So r2 is not forgotten at 600001, but with r1.
put b 2 request=r2 at=600001
put b 2 request=r2 at=1599999
put b 2 request=r2 at=1600000
---
rejected: the request id was used for another request
rejected: the request id was used for another request
accepted 0.0.6 | put revision=3 created=false
