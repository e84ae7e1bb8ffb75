# The entries of every_entry_changes_the_digest, as two runs.
run
members 1
genesis voters=1
put a 1
end
digest
run
put a 1
blank
put "" 1
end
digest
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | put revision=1 created=true
2 40463fbd32c34f3acd0b59e87245d6f5d2e21c18449ede94cee20f963898d3f2
accepted 0.0.3 | put revision=2 created=false
accepted 0.0.4
rejected: a key has at least one byte
5 c65ac6958fba5f2edb54492e842582024a01fe75dd02707b57143cfe04f319b2

reopen
digest
---
5 c65ac6958fba5f2edb54492e842582024a01fe75dd02707b57143cfe04f319b2
