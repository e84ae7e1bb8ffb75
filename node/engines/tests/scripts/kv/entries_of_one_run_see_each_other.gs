# Several entries that are applied as one run give what they give one by one.
run
members 1
genesis voters=1
put a 1
put a 2
entry "delete a" "put b 1"
entry "put b 2" "put <4097bytes> x"
put b 3
end
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
accepted 0.0.3 | put revision=2 created=false
accepted 0.0.4 | delete revision=3 existed=true | put revision=4 created=true
rejected: the key has 4097 bytes, more than 4096
accepted 0.0.6 | put revision=5 created=false

list
get b
reopen
list
get b
---
b revision=5 bytes=1
"3" revision=5 created=4
b revision=5 bytes=1
"3" revision=5 created=4
