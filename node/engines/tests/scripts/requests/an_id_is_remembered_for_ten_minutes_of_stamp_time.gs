members 1
genesis voters=1
put a 1 request=r1 at=1000
put a 2 request=r1 at=600999
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
rejected: the request id was used for another request

# Ten minutes later it is forgotten, and counts as a new request.
put a 2 request=r1 at=601000
put a 2 request=r1 at=1200999
get a
---
accepted 0.0.4 | put revision=2 created=false
accepted 0.0.4 | put revision=2 created=false
"2" revision=2 created=1

# Within one run it is the same.
run
put b 1 request=r2 at=2000000
put b 2 request=r2 at=2599999
put b 3 request=r2 at=2600000
put b 3 request=r2 at=2600000
end
get b
---
accepted 0.0.6 | put revision=3 created=true
rejected: the request id was used for another request
accepted 0.0.8 | put revision=4 created=false
accepted 0.0.8 | put revision=4 created=false
"3" revision=4 created=3
