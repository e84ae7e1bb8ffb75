members 1
genesis voters=1
put a 1 request=r1 at=1000
put a 2 at=2000
put a 1 request=r1 at=3000
get a
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
accepted 0.0.3 | put revision=2 created=false
accepted 0.0.2 | put revision=1 created=true
"2" revision=2 created=1

# Also in one run, and after a restart.
run
put b 1 request=r2
put b 1 request=r2
end
reopen
put b 1 request=r2
get b
---
accepted 0.0.5 | put revision=3 created=true
accepted 0.0.5 | put revision=3 created=true
accepted 0.0.5 | put revision=3 created=true
"1" revision=3 created=3
