members 1
genesis voters=1
raise 2
auth user-add root secret
auth grant-role root root
auth enable
entry "as root 3" "put a 1" request=r
auth "as" cluster
entry "as root 3" "user-add u"
entry "as root 4" "put a 1" request=r
entry "as root 4" "put a 2" request=r
entry "as root 3" "put b 1" request=s
entry "as root 4" "put b 1" request=s
entry "as root 4" "disable"
put a 1 request=r
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | done
accepted 0.0.4 | done
accepted 0.0.5 | done
accepted 0.0.6 | put revision=2 created=true
accepted 0.0.7
accepted 0.0.8 | done
accepted 0.0.6 | put revision=2 created=true
rejected: the request id was used for another request
rejected: users or roles changed meanwhile; ask again
accepted 0.0.12 | put revision=3 created=true
accepted 0.0.13 | done
accepted 0.0.6 | put revision=2 created=true
