Options of run and create: environment, labels, users, work directory, entrypoint, streams, failures with --rm.

### x-env/file-forms
printf '# comment\nA=1\n\n  B=2\nC\nD=\nE="quoted"\nF=a=b\nG=x # not a comment\n' > f; C=client docker run --rm --env-file f bb sh -c 'env | grep -E "^[A-G]=" | sort'
### x-env/file-crlf-bom
printf '\357\273\277A=1\r\nB=2\n' > f; docker run --rm --env-file f bb sh -c 'env | grep -E "^[AB]=" | od -c'
### x-env/file-not-utf8
printf 'A=\377\n' > f; docker run --rm --env-file f bb true; echo rc=$?
### x-env/file-missing
docker run --rm --env-file nosuch bb true; echo rc=$?
### x-env/file-and-option-order
printf 'A=file\nB=file\n' > f; printf 'B=second\n' > g; docker run --rm -e A=opt --env-file f --env-file g bb sh -c 'echo $A $B'
### x-env/last-wins
docker run --rm -e A=1 -e A=2 -e B=x bb sh -c 'echo $A; env | grep -c "^A="'
### x-env/image-override-and-remove
docker run --rm -e FOO bb:env sh -c 'echo "[${FOO-unset}]"'; docker run --rm -e FOO= bb:env sh -c 'echo "[${FOO-unset}]"'; FOO=host docker run --rm -e FOO bb:env sh -c 'echo "[${FOO-unset}]"'
### x-env/newline-and-quotes
docker run --rm -e 'A=line1
line2' -e "B=it's \"q\"" bb sh -c 'echo "$A"; echo "$B"'
### x-env/path-and-home-override
docker run --rm -e PATH=/nowhere:/bin -e HOME=/h bb sh -c 'echo $PATH $HOME'; docker run --rm -e PATH=/nowhere bb sh -c true; echo rc=$?
### x-env/hostname-override
docker run --rm -e HOSTNAME=mine bb sh -c 'echo $HOSTNAME; hostname | wc -c'
### x-env/term-with-tty
docker run --rm -t bb sh -c 'echo $TERM'; docker run --rm -t -e TERM=vt100 bb sh -c 'echo $TERM'; docker run --rm bb sh -c 'echo "[$TERM]"'
### x-env/home-of-user
for u in app 1000 4321 nobody root:app; do docker run --rm -u $u bb sh -c 'echo $HOME'; done
### x-env/inspect-order
docker create --name $P -e Z=1 -e A=2 -e PATH=/x bb:env > id; docker inspect -f '{{json .Config.Env}}' $P
### x-env/no-name-api
api POST "/containers/create?name=$P" '{"Image":"bb","Env":["=x","NOVALUE","A=1"],"Cmd":["env"]}'; docker inspect -f '{{json .Config.Env}}' $P; docker start -a $P | sort
### x-label/file-forms
printf '# c\na=1\nb\n\n c = x \nd="q"\n' > f; docker create --name $P --label-file f -l a=opt bb > id; docker inspect -f '{{json .Config.Labels}}' $P
### x-label/file-bad
printf 'a b=1\n' > f; docker create --name $P --label-file f bb; echo rc=$?; docker create --name $P --label-file nosuch bb; echo rc=$?
### x-label/empty-key
docker create --name $P -l =x bb; echo rc=$?; docker create --name $P-2 -l '' bb; docker inspect -f '{{json .Config.Labels}}' $P-2
### x-label/image-merge
docker create --name $P -l one=mine -l new=1 bb:label > id; docker inspect -f '{{json .Config.Labels}}' $P; docker inspect -f '{{index .Config.Labels "com.example.x"}}' $P
### x-user/forms
for u in app: :shared app:29 0 root :29 1000:shared ghost 1000:ghost; do echo "== $u"; docker run --rm -u $u bb id; done
### x-user/too-big
for u in 2147483647 2147483648 4294967295 99999999999 1.5 ' app' 0x10; do echo "== $u"; docker run --rm -u "$u" bb id -u; done
### x-user/group-add-forms
docker run --rm --group-add 5000 --group-add audio --group-add 29 bb id -G; docker run --rm --group-add ghost bb id; docker run --rm -u 4321 --group-add 7 bb id -G; docker run --rm --group-add -1 bb id
### x-user/image-user-and-options
docker run --rm -u root bb:usergroup id; docker run --rm -u other bb:usergroup id; docker run --rm -u :daemon bb:usergroup id
### x-user/no-passwd
docker run --name $P bb sh -c 'rm /etc/passwd /etc/group'; docker commit $P $P-i > id; docker run --rm $P-i id; docker run --rm -u 5 $P-i id; docker run --rm -u app $P-i id; docker run --rm -u 5:users $P-i id
### x-user/odd-passwd
docker run --name $P bb sh -c 'printf "odd:x:77:88:::\n:x:1:1\nroot2:x:0:0::/r2:/bin/sh\nlong:x:99999999999:1:::\n" > /etc/passwd; printf "odd:x:88:\ng1:x:901:odd,root2\ng2:x:902: odd\n" > /etc/group'; docker commit $P $P-i > id
for u in odd root2 77; do docker run --rm -u $u $P-i sh -c 'id -u; id -G; echo $HOME'; done
### x-wd/forms
for w in / /tmp/../etc //tmp// /tmp/ relative '' /a/b/c; do echo "== $w"; docker run --rm -w "$w" bb pwd; done
### x-wd/is-file
docker run --rm -w /etc/passwd bb pwd; echo rc=$?
### x-wd/through-links
docker run --rm -w /links/dir bb sh -c 'pwd; ls'; docker run --rm -w /links/broken bb pwd; echo rc=$?; docker run --rm -w /links/loop bb pwd 2> err; echo rc=$?
### x-wd/no-permission
docker run --rm -u app -w /root bb pwd; echo rc=$?; docker run --rm -u other -w /data bb pwd; echo rc=$?
### x-wd/inspect
docker create --name $P -w /a/../b/ bb > id; docker inspect -f '{{.Config.WorkingDir}}' $P; docker create --name $P-2 -w rel bb; docker create --name $P-3 -w '' bb:wd > id; docker inspect -f '{{.Config.WorkingDir}}' $P-3
### x-ep/clear-both
docker run --rm --entrypoint '' bb:ep; echo rc=$?; docker run --rm --entrypoint= bb:ep echo x
### x-ep/inspect
docker create --name $P --entrypoint '' bb:ep a > id; docker inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Path}} {{json .Args}}' $P; docker create --name $P-2 --entrypoint 'a b' bb:ep > id; docker inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Path}} {{json .Args}}' $P-2
### x-ep/api-forms
for b in '"Entrypoint":[]' '"Entrypoint":""' '"Entrypoint":"echo x"' '"Entrypoint":[""]' '"Entrypoint":null' '"Cmd":"echo a b"' '"Cmd":[]' '"Entrypoint":["echo"],"Cmd":null'; do body POST "/containers/create?name=$P" "{\"Image\":\"bb:ep\",$b}"; docker inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Path}} {{json .Args}}' $P; docker start -a $P; docker rm $P > o; done
### x-ep/shell-form-args
docker run --rm bb:epsh extra; docker run --rm bb:cmdsh; docker run --rm bb:full 'echo $A $B; id -u; pwd'
### x-ep/no-command
docker run --rm bb:bare; echo rc=$?; docker create bb:bare; echo rc=$?; docker run --rm --entrypoint '' bb; echo rc=$?
### x-ep/relative-command
docker run --rm -w /bin bb ./echo hi; docker run --rm -w / bb bin/echo hi; docker run --rm bb nosuch; echo rc=$?; docker run --rm bb ./nosuch; echo rc=$?; docker run --rm bb /etc; echo rc=$?; docker run --rm bb /etc/passwd; echo rc=$?
### x-ep/exec-errors
for c in garbage badinterp noexec script; do docker run --rm bb /bin/$c a b; echo rc=$?; docker run --rm bb $c a b; echo rc=$?; done
### x-ep/not-executable-for-user
docker run --name $P bb sh -c 'cp /bin/true /bin/priv; chmod 700 /bin/priv'; docker commit $P $P-i > id; docker run --rm -u app $P-i priv; echo rc=$?; docker run --rm -u app $P-i /bin/priv; echo rc=$?
### x-ep/args-odd
docker run --rm bb printf '[%s]' a '' 'b c' '*' '$HOME' '"q"' "it's" 'ü' '\n'
### x-ep/args-inspect
docker create --name $P bb sh -c 'echo "a b"; exit' '' '<&>' > id; docker inspect -f '{{json .Args}}' $P; docker ps -a --no-trunc --filter name=$P --format '{{.Command}}'; docker inspect $P --format '{{json .Config.Cmd}}'
### x-rm/failures
docker run --rm --name $P bb /nosuch; echo rc=$?; docker ps -aq --filter name=$P; docker run --rm --name $P -w /etc/passwd bb true; echo rc=$?; docker ps -aq --filter name=$P; docker run --rm --name $P -u ghost bb true; echo rc=$?; docker ps -aq --filter name=$P
### x-rm/with-restart
docker run --rm --restart always --name $P bb true; echo rc=$?; docker run --rm --restart no bb echo ok; docker create --rm --restart on-failure --name $P bb; echo rc=$?
### x-rm/name-conflict
docker create --name $P bb > id; docker run --rm --name $P bb true; echo rc=$?; docker ps -a --filter name=$P --format '{{.Names}}'
### x-rm/killed-and-stopped
docker run -d --rm --name $P bb sleep 60 > id; docker stop -t 0 $P; wait_for sh -c "! docker inspect $P"; docker run -d --rm --name $P bb sleep 60 > id; docker kill $P; wait_for sh -c "! docker inspect $P"; docker ps -aq --filter name=$P
### x-rm/force-while-running
docker run -d --rm --name $P bb sleep 60 > id; docker rm -f $P; docker ps -aq --filter name=$P
### x-rm/start-later
docker create --rm --name $P bb sh -c 'echo hi; exit 3' > id; docker start -a $P; echo rc=$?; wait_for sh -c "! docker inspect $P"; docker inspect -f x $P
### x-rm/named-volume-stays
docker run --rm -v $P-v:/n -v /anon bb true; docker volume ls -q --filter name=$P
### x-rm/inspect
docker create --rm --name $P bb > id; docker inspect -f '{{.HostConfig.AutoRemove}}' $P; docker update --restart always $P; echo rc=$?
### x-cid/forms
docker run --rm --cidfile c bb true; wc -c < c; docker run --rm --cidfile c bb true; echo rc=$?; docker create --cidfile /nosuch/c bb; echo rc=$?; docker run --cidfile d --name $P bb /nosuch 2> /dev/null; echo rc=$?; ls d && wc -c < d
### x-name/forms
for n in a .a -a a/b /$P-slash $P-x.y_1 'a b' ü; do docker create --label $P --name "$n" bb > o 2> e; echo "rc=$? $n"; cat e; done; docker ps -a --filter label=$P --format '{{.Names}}' | sort
### x-name/api
for n in a "$P%20b" "%2F$P-x" "$P%2Fy" "$P-ok"; do body POST "/containers/create?name=$n" "{\"Image\":\"bb\",\"Labels\":{\"$P\":\"\"}}"; done
### x-name/conflict-message
docker create --name $P bb > id; docker create --name $P bb; docker create --name /$P bb; docker rename $P $P-2; docker create --name $P bb > id; docker rename $P-2 $P; echo rc=$?
### x-name/prefix-is-not-name
docker create --name $P-abc bb > id; docker inspect -f x $P-ab; docker inspect -f '{{.Name}}' /$P-abc; docker rm /$P-abc
### x-stream/attach-combos
for a in "-a stdout" "-a stderr" "-a stdout -a stderr" "-a STDOUT"; do echo "== $a"; docker run --rm $a bb sh -c 'echo o; echo e >&2' 2> err; echo rc=$?; echo err: $(cat err); done; docker run --rm -a bad bb true; echo rc=$?; docker run -d -a stdout bb true; echo rc=$?
### x-stream/detach-with-stdin
echo x | docker run -d -i --name $P bb sh -c 'cat; echo end' > id; docker inspect -f '{{.Config.OpenStdin}} {{.Config.StdinOnce}} {{.Config.AttachStdin}} {{.Config.AttachStdout}}' $P; is $P running && echo up; docker kill $P > o
### x-stream/tty-no-stdin
docker run --rm -t bb sh -c 'tty; echo a; echo b >&2; stty size' | od -c | head -20
### x-stream/tty-it-script
pty "docker run --rm -it bb sh -c 'tty; stty size; read x; echo got \$x'" < /dev/null | head -3
### x-stream/tty-size
pty 'docker run --rm -t bb stty size'; pty 'docker run --rm -it bb stty size'
### x-stream/tty-script-command
(sleep 1; echo 'echo he""llo'; sleep 0.5; echo 'exit 7') | script -qec "stty cols 80 rows 24 -echo; docker run --rm -it --name $P bb sh" /dev/null | tr -d '\r' | grep -c '^hello'
### x-stream/it-without-terminal
docker run --rm -it bb true; echo rc=$?; docker run --rm -t bb true < /dev/null; echo rc=$?
### x-stream/stdin-eof-tty
echo hi | docker run --rm -i bb sh -c 'read a; echo $a; read b; echo rc=$?'
### x-stream/stdin-large
head -c 3000000 /dev/zero | docker run --rm -i bb wc -c; head -c 3000000 /dev/zero | docker run --rm -i bb cat | wc -c
### x-stream/stdin-binary
printf '\000\001\377\n\004x' | docker run --rm -i bb od -c
### x-stream/stderr-and-exit
docker run --rm bb sh -c 'echo out; echo err >&2; exit 9' > o 2> e; echo rc=$?; cat o e
### x-stream/interleave-order
docker run --rm bb sh -c 'for i in 1 2 3; do echo o$i; sleep 0.05; echo e$i >&2; sleep 0.05; done' 2>&1
### x-stream/sig-proxy
docker run --name $P bb sh -c 'trap "echo term; exit 5" TERM; echo up; while :; do sleep 0.1; done' > o & c=$!; wait_for logged $P up; kill -TERM $c; wait $c; echo rc=$?; cat o; state $P
### x-stream/sig-proxy-false
docker run --name $P --sig-proxy=false bb sh -c 'trap "echo term; exit 5" TERM; echo up; while :; do sleep 0.1; done' > o & c=$!; wait_for logged $P up; kill -TERM $c; wait $c; echo rc=$?; is $P running && echo still
### x-stream/detach-prints-id
docker run -d --name $P bb sh -c 'echo x' | wc -c; docker wait $P; docker run -d --name $P-2 bb /nosuch; echo rc=$?; state $P-2
### x-opt/pull-policies
docker run --rm --pull bad bb true; echo rc=$?; docker run --rm --pull missing bb echo ok; docker run --rm --pull never nosuch-$P true; echo rc=$?; docker create --pull never nosuch-$P; echo rc=$?
### x-opt/platforms
for p in linux/amd64 linux amd64 linux/amd64/v1 windows/amd64 linux/386 bad/bad/bad/bad 'a b'; do echo "== $p"; docker run --pull never --rm --platform $p bb uname -m; echo rc=$?; done 2>&1
### x-opt/hostname-domain
docker run --rm --network none -h h1 --domainname d.example bb sh -c 'hostname; cat /proc/sys/kernel/domainname'; docker run --rm -h 'bad host' bb hostname; echo rc=$?; docker run --rm -h $(printf 'a%.0s' $(seq 1 64)) bb hostname; echo rc=$?; docker run --rm -h -x bb hostname; echo rc=$?
### x-opt/hostname-63
docker run --rm -h $(printf 'a%.0s' $(seq 1 63)) bb hostname; docker run --rm -h a_b bb hostname; docker run --rm -h UPPER bb hostname; docker run --rm -h ü bb hostname
### x-opt/hostname-with-modes
docker run --rm --uts host -h x bb hostname; echo rc=$?; docker run --rm --network host -h x bb hostname; echo rc=$?
### x-opt/init
docker run --rm --init bb sh -c 'cat /proc/1/comm; ps -o args | head -3'; docker run --rm --init=false bb sh -c 'echo $$'; docker run --rm --init bb sh -c 'exit 9'; echo rc=$?; docker run --rm --init bb /nosuch 2> err; echo rc=$?; wc -l < err
### x-opt/init-reaps-and-forwards
docker run -d --init --name $P bb sh -c 'trap "exit 3" TERM; (sleep 0.1 & exec true) ; while :; do sleep 0.1; done' > id; sleep 0.5; docker exec $P sh -c 'ps -o stat | grep -c Z'; docker stop $P; state $P
### x-opt/init-pid-host
docker create --name $P --init --pid host bb true > id; docker inspect -f '{{.HostConfig.Init}}' $P; docker start -a $P; echo rc=$?
### x-opt/annotation
docker create --name $P --annotation a=b --annotation c --annotation d= bb > id; docker inspect -f '{{json .HostConfig.Annotations}}' $P; docker create --annotation '' bb; echo rc=$?; docker create --annotation =x bb; echo rc=$?
### x-opt/add-host
docker run --rm --add-host a:1.2.3.4 --add-host b=::1 --add-host 'c:[::2]' --add-host d:5.6.7.8 bb sh -c 'grep -E "\b[abcd]$" /etc/hosts'; for h in a a: :1.2.3.4 a:b a=1.2 'a b:1.2.3.4'; do docker create --label $P --add-host "$h" bb > o; echo "rc=$? $h"; done
### x-opt/dns
docker run --rm --network none --dns 9.9.9.9 --dns-search x.example --dns-search y --dns-option ndots:3 bb cat /etc/resolv.conf; docker run --rm --network none --dns-search . --dns 1.1.1.1 bb cat /etc/resolv.conf; docker create --dns bad bb; echo rc=$?; docker create --dns-search 'a b' bb; echo rc=$?
### x-opt/dns-inspect
docker create --name $P --dns 9.9.9.9 --dns-search s.example --dns-option a bb > id; docker inspect -f '{{json .HostConfig.Dns}} {{json .HostConfig.DnsSearch}} {{json .HostConfig.DnsOptions}}' $P
### x-opt/stop-signal
for s in TERM SIGTERM 15 sigint RTMIN+3 0 NOSUCH ''; do docker create --label $P --name $P-s --stop-signal "$s" bb > o; echo rc=$?; docker inspect -f '{{.Config.StopSignal}}' $P-s; docker rm $P-s > o; done 2>&1
### x-opt/stop-timeout
docker create --name $P --stop-timeout 0 bb > id; docker inspect -f '{{json .Config.StopTimeout}}' $P; docker create --name $P-2 --stop-timeout -1 bb > id; docker inspect -f '{{json .Config.StopTimeout}}' $P-2; docker create --name $P-3 bb > id; docker inspect -f '{{json .Config.StopTimeout}}' $P-3
### x-opt/log-driver
docker run --name $P --log-driver none bb echo x; docker logs $P; echo rc=$?; docker create --log-driver nosuch --name $P-2 bb; echo rc=$?; docker create --name $P-3 --log-opt foo=bar bb; echo rc=$?; docker create --name $P-4 --log-driver none --log-opt max-size=1m bb; echo rc=$?
### x-opt/log-opts
for o in max-size=-1 max-size=10k max-size=1.5m compress=true mode=non-blocking mode=bad max-buffer-size=1m tag='{{.Bad}}' labels=a env-regex='[' nosuch=1; do docker create --label $P --log-opt "$o" bb > out; echo "rc=$? $o"; done 2>&1
### x-opt/log-opts-pairs
for o in '--log-opt max-file=3 --log-opt max-size=5k' '--log-opt max-file=3' '--log-opt compress=true --log-opt max-size=1m' '--log-opt compress=true --log-opt max-size=1m --log-opt max-file=2' '--log-opt mode=non-blocking --log-opt max-buffer-size=4m' '--log-opt max-buffer-size=1m'; do docker create --label $P $o bb > out; echo "rc=$? $o"; docker inspect -f '{{json .HostConfig.LogConfig}}' $(cat out) 2> /dev/null; docker rm $(cat out) > out; done 2>&1
### x-opt/bool-forms
docker run --rm --init=maybe bb true; echo rc=$?; docker run --rm=true bb echo a; docker run --rm --read-only=1 bb sh -c 'echo x > /x'; echo rc=$?
### x-opt/runtime-unknown
docker create --name $P --runtime nosuch bb; echo rc=$?; docker run --rm --runtime io.containerd.runc.v2 bb echo ok
### x-opt/isolation
docker create --name $P --isolation hyperv bb; echo rc=$?; docker create --name $P-2 --isolation default bb > id; echo rc=$?; docker inspect -f '{{.HostConfig.Isolation}}' $P-2
### x-opt/missing-image-arg
docker run; echo rc=$?; docker create --name $P; echo rc=$?; docker run --rm; echo rc=$?
### x-opt/image-by-id-and-digest
i=$(docker image inspect -f '{{.Id}}' bb); docker run --rm $i echo full; docker run --rm ${i#sha256:} echo hex; docker run --rm $(echo ${i#sha256:} | cut -c1-7) echo short; docker run --pull never --rm bb@$i echo d; echo rc=$?; docker run --pull never --rm sha256:0000000000000000000000000000000000000000000000000000000000000000 true; echo rc=$?
### x-opt/config-image-by-id
i=$(docker image inspect -f '{{.Id}}' bb:wd); docker create --name $P $i > id; docker inspect -f '{{.Config.Image}} {{.Image}}' $P; docker ps -a --filter name=$P --format '{{.Image}}'; docker ps -a --no-trunc --filter name=$P --format '{{.Image}}'
### x-health/options
for o in '--health-cmd true --health-interval 1us' '--health-cmd true --health-retries -1' '--health-cmd true --health-timeout 0' '--health-cmd true --no-healthcheck' '--health-cmd ""' '--health-interval 5s' '--no-healthcheck' '--health-cmd true --health-start-period -1s' '--health-cmd true --health-timeout 500us'; do docker create --name $P $o bb:health > o; echo "rc=$? $o"; docker inspect -f '{{json .Config.Healthcheck}}' $P; docker rm $P > o; done 2>&1
### x-health/log
docker run -d --name $P --health-cmd 'echo out; sleep 0.1; echo err >&2; exit 3' --health-interval 200ms --health-retries 2 bb sleep 60 > id; wait_for is_health $P unhealthy; docker inspect -f '{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}' $P; sleep 1.5; docker inspect -f '{{len .State.Health.Log}}' $P; docker ps --filter name=$P --format '{{.Status}}' | grep -o '(.*)'
### x-health/timeout
docker run -d --name $P --health-cmd 'echo begun; sleep 20' --health-interval 100ms --health-timeout 300ms --health-retries 1 bb sleep 60 > id; wait_for is_health $P unhealthy; docker inspect -f '{{json (index .State.Health.Log 0).Output}} {{(index .State.Health.Log 0).ExitCode}}' $P; docker inspect -f '{{.State.Health.FailingStreak}}' $P | sed 's/[1-9][0-9]*/N/'
### x-health/recovers
docker run -d --name $P bb:health sleep 60 > id; wait_for is_health $P unhealthy; docker exec $P touch /tmp/ok; wait_for is_health $P healthy; docker inspect -f '{{.State.Health.FailingStreak}}' $P; docker exec $P rm /tmp/ok; wait_for is_health $P unhealthy; docker ps -a --filter name=$P --filter health=unhealthy --format '{{.Names}}'
### x-health/long-output
docker run -d --name $P --health-cmd 'yes x | head -c 9000' --health-interval 100ms bb sleep 60 > id; wait_for is_health $P healthy; docker inspect -f '{{len (index .State.Health.Log 0).Output}}' $P
### x-health/missing-command
docker run -d --name $P --health-cmd /nosuch --health-interval 100ms --health-retries 1 bb sleep 60 > id; wait_for is_health $P unhealthy; docker inspect -f '{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}' $P
### x-health/exec-form-missing
body POST "/containers/create?name=$P" '{"Image":"bb","Cmd":["sleep","60"],"Healthcheck":{"Test":["CMD","/nosuch"],"Interval":100000000,"Retries":1}}'; docker start $P; wait_for is_health $P unhealthy; docker inspect -f '{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}' $P
### x-health/user-env-wd
docker run -d --name $P -u app -w /tmp -e V=1 --health-cmd 'id -u; pwd; echo $V' --health-interval 100ms bb sleep 60 > id; wait_for is_health $P healthy; docker inspect -f '{{(index .State.Health.Log 0).Output}}' $P
### x-health/start-period
docker run -d --name $P --health-cmd false --health-interval 200ms --health-start-period 60s --health-start-interval 100ms --health-retries 1 bb sleep 60 > id; sleep 1; health $P; docker inspect -f '{{.State.Health.FailingStreak}}' $P
### x-health/stopped-and-restart
docker run -d --name $P --health-cmd true --health-interval 100ms bb sleep 60 > id; wait_for is_health $P healthy; docker stop -t 0 $P > o; health $P; docker start $P > o; wait_for is_health $P healthy; docker inspect -f '{{.State.Health.Status}}' $P; docker pause $P > o; health $P
### x-health/api-bad
for t in '["BAD","x"]' '["CMD"]' '[]' '["NONE"]' '["NONE","x"]' '[""]' '"x"'; do body POST "/containers/create?name=$P" "{\"Image\":\"bb\",\"Healthcheck\":{\"Test\":$t}}"; docker inspect -f '{{json .Config.Healthcheck}}' $P 2> /dev/null; docker rm $P > o 2>&1; done
### x-health/api-bounds
for t in '"Interval":1' '"Timeout":-5' '"Retries":-1' '"StartPeriod":1' '"StartInterval":1' '"Interval":1000000'; do body POST "/containers/create?name=$P" "{\"Image\":\"bb\",\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"],$t}}"; docker rm $P > o 2>&1; done
