members 1
genesis voters=1
raise 2
auth user-add root secret
auth grant-role root root
auth user-add u pw
auth role-add r
auth grant-role u r
auth permit r readwrite a b
grant 1 60
grant 2 60
auth enable
entry "as u 7" "step put a 1 1"
entry "as root 7" "step put z 1 2"
entry "as u 7" "step put a 2 2"
entry "as u 7" "revoke 2"
entry "as root 7" "step put z 1 1"
entry "as u 7" "revoke 1"
run
entry "as root 7" "step put z 1"
entry "as u 7" "step put aa 3 1"
end
entry "as u 7" "revoke 1"
query a ".."
expire 2 11 1
query a ".."
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | done
accepted 0.0.4 | done
accepted 0.0.5 | done
accepted 0.0.6 | done
accepted 0.0.7 | done
accepted 0.0.8 | done
accepted 0.0.9 | lease 1 at revision 1
accepted 0.0.10 | lease 2 at revision 1
accepted 0.0.11 | done
accepted 0.0.12 | after revision 1: put
accepted 0.0.13 | after revision 2: put
rejected: the user may not do that
rejected: the user may not do that
accepted 0.0.16 | after revision 3: put
rejected: the user may not do that
accepted 0.0.18 | after revision 4: put
accepted 0.0.19 | after revision 5: put
accepted 0.0.20 | revoked at revision 7
revision 7
z "1" created=3 modified=5 version=3 lease=0
count 1 more false
accepted 0.0.21 | revoked at revision 7
revision 7
z "1" created=3 modified=5 version=3 lease=0
count 1 more false
