Looking: ps, logs, exec, inspect, events, top, stats, wait; and the life of containers.

### x-ps/filters
docker create --name $P-a -l k=v bb > id; docker run -d --name $P-b -l k=w -v $P-v:/x bb sleep 60 > id; docker run --name $P-c bb:env false > o; wait_state $P-c exited; for f in status=created status=running status=exited status=nosuch status= name=$P-a "name=^/$P-b\$" "name=^$P-c\$" name=/$P-a exited=1 exited=0 exited=x ancestor=bb ancestor=bb:env ancestor=nosuch label=k label=k=w 'label!=k' volume=$P-v volume=/x volume=nosuch before=$P-c since=$P-a before=nosuch-$P is-task=true is-task=x health=none health=healthy id=zz nosuch=1 isolation=default; do echo "== $f: $(docker ps -a --filter name=$P --filter "$f" --format '{{.Names}}' 2>&1 | sort | tr '\n' ' ')"; done
### x-ps/filter-id
id=$(docker create --name $P bb); docker ps -a --filter id=$(echo $id | cut -c1-8) --format '{{.Names}}'; docker ps -a --filter id=$id -q --no-trunc | wc -c
### x-ps/filter-multi
docker create --name $P-a bb > id; docker create --name $P-b -l x=1 -l y=2 bb > id; docker ps -a --filter name=$P-a --filter name=$P-b --format '{{.Names}}' | sort; docker ps -a --filter name=$P --filter label=x --filter label=y=2 --format '{{.Names}}'; docker ps -a --filter name=$P --filter status=created --filter status=exited -q | wc -l
### x-ps/last-and-latest
docker create --name $P-a bb > id; docker create --name $P-b bb > id; docker ps -n 1 --filter name=$P --format '{{.Names}}'; docker ps -l --filter name=$P --format '{{.Names}}'; docker ps -n 5 --filter name=$P -q | wc -l; docker ps -n x; docker ps -an -1 --filter name=$P -q | wc -l
### x-ps/formats
docker create --name $P -l a=1 -l b=2 bb echo hello world this is long text > id; docker ps -a --filter name=$P --format 'table {{.Names}}\t{{.Command}}\t{{.Labels}}'; docker ps -a --filter name=$P --format '{{.Label "a"}}|{{.Label "zz"}}|{{.LocalVolumes}}|{{.Mounts}}|{{.State}}|{{.Status}}|{{.Ports}}'; docker ps -a --filter name=$P --format json | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'; docker ps -a --filter name=$P --format '{{.Nope}}'; docker ps -a --no-trunc --filter name=$P --format '{{.Command}}'; docker ps -a --filter name=$P --format '{{upper .Names | len}} {{join (split .Image "b") "-"}} {{title "x"}} {{pad .Image 1 1}}|{{truncate .Image 1}}'
### x-ps/size
docker run --name $P bb sh -c 'head -c 5000 /dev/zero > /f'; docker ps -as --filter name=$P --format '{{.Size}}' | sed 's/[0-9.]*[kM]*B/N/g'; docker inspect -s -f '{{.SizeRw}} {{gt .SizeRootFs 1000}}' $P; docker inspect -f '{{json .SizeRw}}' $P
### x-ps/status-words
docker run -d --name $P bb sleep 60 > id; docker pause $P > o; docker ps --filter name=$P --format '{{.Status}}'; docker unpause $P > o; docker kill $P > o; wait_state $P exited; docker ps -a --filter name=$P --format '{{.Status}}'; docker create --name $P-2 bb > id; docker ps -a --filter name=$P-2 --format '{{.Status}}'
### x-ps/api
docker create --name $P bb > id; filtered GET /containers/json "{\"name\":[\"$P\"]}" all=1 size=1 | grep -c SizeRootFs; filtered GET /containers/json 'bad' all=1; filtered GET /containers/json '{"status":["bad"]}'; filtered GET /containers/json '{"x":["y"]}'; api GET '/containers/json?limit=x'; api GET '/containers/json?all=maybe' | head -1; filtered GET /containers/json "{\"name\":{\"$P\":true}}" all=true | grep -c '"Id"'; filtered GET /containers/json "{\"name\":{\"$P\":false}}" all=true | head -1
### x-logs/since-until
docker run --name $P bb sh -c 'echo a; sleep 1.2; echo b; sleep 1.2; echo c' > o; t=$(docker logs -t $P | sed -n 2p | cut -d' ' -f1); docker logs --since $t $P; echo --; docker logs --until $t $P; echo --; docker logs --since 1h $P; docker logs --until 1h $P; docker logs --since 2100-01-01 $P; docker logs --since $t --until $t $P; docker logs --since 0 -n 1 $P; docker logs --since 1.5 $P | wc -l; docker logs --since '' $P | wc -l
### x-logs/tail
docker run --name $P bb seq 1 5 > o; for n in 2 0 -1 all 100 x 1.5 '' +2 ALL; do echo "== $n: $(docker logs -n "$n" $P 2>&1 | tr '\n' ' ')"; done; api GET "/containers/$P/logs?stdout=1&tail=-5" | tr -d '\000-\010' | head -3
### x-logs/streams
docker run --name $P bb sh -c 'echo o; echo e >&2' > o 2>&1; docker logs $P 2> /dev/null; docker logs $P 2>&1 > /dev/null; api GET "/containers/$P/logs"; api GET "/containers/$P/logs?stderr=1" | od -c | tail -3 | head -2; api GET "/containers/$P/logs?stdout=1&since=bad"; api GET "/containers/$P/logs?stdout=1&until=x"; api GET "/containers/nosuch-$P/logs?stdout=1"
### x-logs/details
docker run --name $P -l a=1 -l b=2 -e X=y --log-opt labels=a,b --log-opt env=X --log-opt tag='{{.Name}}' bb echo hi > o; docker logs --details $P; docker logs --details -t $P | cut -d' ' -f2-
### x-logs/details-regex
docker run --name $P -l ab=1 -l cd=2 -e XA=1 -e YA=2 --log-opt labels-regex='^a' --log-opt env-regex='A$' bb echo hi > o; docker logs --details $P; docker inspect -f '{{json .HostConfig.LogConfig}}' $P
### x-logs/tty
docker run -t --name $P bb sh -c 'echo a; echo b >&2' > o; docker logs $P | od -c; docker logs -t $P | wc -l; docker logs -n 1 $P | od -c; api GET "/containers/$P/logs?stdout=1" | od -c
### x-logs/rotated
docker run --name $P --log-opt max-size=2k --log-opt max-file=3 bb seq 1 200 > o; docker logs $P | tail -1; docker logs -n 3 $P
### x-logs/rotated-single
docker run --name $P --log-opt max-size=1k bb seq 1 50 > o; docker logs $P | tail -1; docker logs -n 5 $P
### x-logs/long-lines
docker run --name $P bb sh -c 'head -c 40000 /dev/zero | tr "\0" x; echo; echo end' > o; docker logs $P | wc; docker logs -n 1 $P; docker logs -n 2 $P | wc; docker logs -t $P | wc -l
### x-logs/follow
docker run -d --name $P bb sh -c 'for i in 1 2 3; do echo $i; sleep 0.3; done' > id; docker logs -f $P; docker logs -f --since 10m $P; docker logs -f -n 0 $P; docker start $P > o; docker logs -f -n 0 $P
### x-logs/follow-until
docker run -d --name $P bb sh -c 'while :; do echo x; sleep 0.2; done' > id; docker logs -f --until 1s $P | wc -l > n; echo done; timeout 5 docker logs -f --until $(date -d '+2 sec' +%s) $P > o; echo rc=$?
### x-logs/follow-removed
docker run -d --name $P bb sh -c 'echo x; sleep 60' > id; wait_for logged $P x; docker logs -f $P & l=$!; sleep 0.5; docker rm -f $P > o; wait $l; echo rc=$?
### x-logs/utf8-and-nul
docker run --name $P bb printf 'ü\033[1mx\t\r\n\\"<&>\n\357\277\275\n' > o; docker logs $P | od -c; docker logs -t $P | wc -l
### x-logs/empty-lines
docker run --name $P bb printf '\n\na\n\n' > o; docker logs $P | od -c; docker logs -t $P | wc -l; docker logs -n 2 $P | od -c
### x-logs/timestamps-format
docker run --name $P bb echo x > o; docker logs -t $P | grep -cE '^[0-9-]{10}T[0-9:]{8}\.[0-9]{9}Z x$'
### x-exec/forms
docker run -d --name $P bb sleep 60 > id; docker exec $P; echo rc=$?; docker exec $P sh -c 'exit 7'; echo rc=$?; docker exec $P nosuch; echo rc=$?; docker exec $P /etc; echo rc=$?; docker exec $P /bin/noexec; echo rc=$?; docker exec $P garbage; echo rc=$?; docker exec $P ''; echo rc=$?; docker exec $P sh -c 'kill -9 $$'; echo rc=$?; docker exec -d $P nosuch; echo rc=$?
### x-exec/user
docker run -d --name $P -u app --group-add audio bb sleep 60 > id; for u in '' root other:shared 5 :29 ghost app:ghost 4:5; do docker exec ${u:+-u $u} $P id; echo rc=$?; done 2>&1
### x-exec/env
docker run -d --name $P -e A=1 bb:env sleep 60 > id; docker exec -e B=2 -e A=3 $P sh -c 'echo $A $B $FOO $PATH $HOME'; printf 'C=x\n#c\nHOST\n' > f; HOST=h docker exec --env-file f -e D $P sh -c 'echo $C $HOST [$D]'; docker exec -u app $P sh -c 'echo $HOME'; docker exec -e =x $P true; echo rc=$?; docker exec -t $P sh -c 'echo $TERM'; docker exec $P sh -c 'echo [$TERM]'
### x-exec/workdir
docker run -d --name $P -w /tmp bb sleep 60 > id; docker exec -w / $P pwd; docker exec -w rel $P pwd; echo rc=$?; docker exec -w /etc/passwd $P pwd; echo rc=$?; docker exec -w /root -u app $P pwd; echo rc=$?; docker exec -w '' $P pwd; docker exec -w /links/dir $P pwd
### x-exec/privileged
docker run -d --name $P --cap-drop ALL --security-opt no-new-privileges bb sleep 60 > id; docker exec $P grep -E 'Cap(Eff|Prm|Bnd|Inh|Amb)|NoNew|Seccomp:' /proc/self/status; docker exec --privileged $P grep -E 'Cap(Eff|Prm|Bnd)|NoNew|Seccomp:' /proc/self/status; docker exec --privileged -u app $P grep -E 'Cap(Eff|Prm|Bnd|Amb)' /proc/self/status
### x-exec/caps-user
docker run -d --name $P --cap-add NET_ADMIN -u app bb sleep 60 > id; docker exec $P grep Cap /proc/self/status; docker exec -u root $P grep Cap /proc/self/status
### x-exec/tty
docker run -d --name $P bb sleep 60 > id; docker exec -t $P sh -c 'tty; stty size' | tr -d '\r'; pty "docker exec -it $P stty size"; pty "docker exec -t $P sh -c 'echo x; exit 4'"; echo rc=$?
### x-exec/stdin-eof
docker run -d --name $P bb sleep 60 > id; head -c 1000000 /dev/zero | docker exec -i $P wc -c; echo abc | docker exec -i $P sh -c 'read x; echo $x; exit 2'; echo rc=$?; docker exec -i $P cat < /dev/null; echo rc=$?
### x-exec/paused
docker run -d --name $P bb sleep 60 > id; docker pause $P > o; docker exec $P true; echo rc=$?
### x-exec/limits-shared
docker run -d --name $P -m 32m --ulimit nofile=77:88 bb sleep 60 > id; docker exec $P sh -c "ulimit -n; ulimit -Hn; $(cg memory/memory.limit_in_bytes memory.max)"
### x-exec/detach-keys
docker run -d --name $P bb sleep 60 > id; docker exec --detach-keys bad-key $P true; echo rc=$?; docker exec --detach-keys ctrl-a,b $P true; echo rc=$?
### x-exec/api
docker run -d --name $P bb sleep 60 > id; api POST /containers/$P/exec '{}'; api POST /containers/$P/exec '{"Cmd":[]}'; api POST /containers/$P/exec '{"Cmd":"true"}' | head -1; api POST /containers/$P/exec 'x'; api POST /containers/$P/exec; api POST /containers/nosuch-$P/exec '{"Cmd":["true"]}'; api POST /exec/nosuch/start '{}'; api GET /exec/nosuch/json; api POST '/exec/nosuch/resize?h=1&w=1'; api POST /containers/$P/exec '{"Cmd":["true"],"DetachKeys":"bad-x"}'
### x-exec/api-inspect
docker run -d --name $P bb sleep 60 > id; e=$(body POST /containers/$P/exec '{"Cmd":["true","a"],"User":"app","Env":["A=1"],"WorkingDir":"/tmp","Tty":true,"Privileged":true,"AttachStdout":true}' | sed 's/.*"Id":"\([0-9a-f]*\)".*/\1/'); body GET /exec/$e/json | sed "s/$e/EXECID/"; docker inspect -f '{{len .ExecIDs}}' $P; api POST /exec/$e/start '{"Detach":true}'; wait_for sh -c "curl -s --unix-socket $SOCK http://d/exec/$e/json | grep -q 'Running\":false'"; docker inspect -f '{{json .ExecIDs}}' $P
### x-exec/api-resize
docker run -d --name $P bb sleep 60 > id; e=$(body POST /containers/$P/exec '{"Cmd":["true"],"Tty":true}' | sed 's/.*"Id":"\([0-9a-f]*\)".*/\1/'); api POST "/exec/$e/resize?h=x"; api POST "/exec/$e/resize"; api POST "/containers/$P/resize?h=10&w=20"; api POST "/containers/$P/resize?h=x&w=1"; api POST "/containers/nosuch-$P/resize?h=1&w=1"
### x-inspect/templates
docker create --name $P -l a=b -e X=1 bb echo hi > id; docker inspect -f '{{.Name}} {{.Path}} {{len .Args}} {{index .Args 0}} {{index .Config.Labels "a"}} {{printf "%s-%d" .Name .RestartCount}} {{.State.Running}} {{if .State.Paused}}p{{else}}n{{end}}' $P; docker inspect -f '{{range $i, $e := .Config.Env}}{{$i}}={{$e}} {{end}}' $P; docker inspect -f '{{json .State.Health}} {{json .HostConfig.PortBindings}} {{json .ExecIDs}}' $P; docker inspect -f '{{.Nope}}' $P; echo rc=$?; docker inspect -f '{{index .Args 9}}' $P; echo rc=$?; docker inspect -f '{{json .}' $P; echo rc=$?; docker inspect -f '{{.Config.Labels.a}} {{.Config.Labels.zz}} {{with .Config.User}}u{{else}}none{{end}} {{and true .Name}} {{eq .RestartCount 0}} {{slice .Name 0 2}} {{html "<"}} {{.Config.Cmd}} {{.Config.Labels}} {{.HostConfig.Memory}} {{.HostConfig.LogConfig}}' $P
### x-inspect/multi
docker create --name $P-a bb > id; docker create --name $P-b bb > id; docker inspect -f '{{.Name}}' $P-a nosuch-$P $P-b; echo rc=$?; docker inspect nosuch-$P; echo rc=$?; docker inspect; echo rc=$?; docker container inspect -f '{{.Name}}' bb; echo rc=$?; docker inspect --type volume $P-a; echo rc=$?; docker inspect --type=image,container bb; echo rc=$?
### x-inspect/state-after
docker run --name $P bb sh -c 'exit 3'; docker inspect -f '{{json .State}}' $P; docker create --name $P-2 bb > id; docker inspect -f '{{json .State}}' $P-2; docker run -d --name $P-3 bb sleep 60 > id; docker pause $P-3 > o; docker inspect -f '{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{gt .State.Pid 0}}' $P-3
### x-inspect/id-ambiguous
a=$(docker create --name $P bb); docker inspect -f '{{.Name}}' $(echo $a | cut -c1-12); docker inspect ''; echo rc=$?; docker inspect /; echo rc=$?
### x-events/filters
docker run --name $P -l k=v bb true; sleep 1.1; docker events --since 1m --until 0s --filter container=$P --format '{{.Type}} {{.Action}} {{.Actor.Attributes.name}}'; docker events --since 1m --until 0s --filter label=k=v --filter container=$P --filter event=die --format '{{.Action}} {{.Actor.Attributes.exitCode}}'; docker events --since 1m --until 0s --filter container=$P --filter type=image | wc -l; docker events --since 1m --until 0s --filter container=$P --filter event=create --filter event=start --format '{{.Action}}'; docker events --since 1m --until 0s --filter container=$P --filter nosuch=1 | wc -l; echo rc=$?; docker events --since bad --until 0s; echo rc=$?; docker events --since 0s --until bad; echo rc=$?
### x-events/life
docker run -d --name $P bb sleep 60 > id; docker pause $P > o; docker unpause $P > o; docker rename $P $P-2; docker exec $P-2 true; docker update --restart no $P-2 > o; docker kill -s CONT $P-2 > o; docker cp $P-2:/etc/issue - > o; docker export $P-2 > o; docker commit $P-2 $P-i > id; docker stop -t 0 $P-2 > o; docker start $P-2 > o; docker restart -t 0 $P-2 > o; docker rm -f $P-2 > o; id=$(sleep 1.1; docker events --since 2m --until 0s --filter container=$P --format '{{.ID}}' | head -1); docker events --since 2m --until 0s --filter container=$id --format '{{.Type}} {{.Action}}' | grep -v exec_die
### x-events/text-form
docker run --name $P -l z=1 -l a=2 bb true; sleep 1.1; docker events --since 1m --until 0s --filter container=$P --filter event=create --filter event=die --filter event=destroy | grep -v network; docker events --since 1m --until 0s --filter container=$P --filter event=die --format json
### x-events/image
docker tag bb $P-a; docker rmi $P-a > o; docker create --name $P bb > id; docker commit $P $P-b > id; docker save $P-b > t.tar; docker rmi $P-b > o; docker load -i t.tar > o; docker tag $P-b $P-c; sleep 1.1; docker events --since 1m --until 0s --filter type=image --format '{{.Action}} {{.Actor.Attributes.name}}' | grep -e $P; docker events --since 1m --until 0s --filter image=$P-c --format '{{.Action}}'
### x-events/volume
docker volume create $P > o; docker run --rm -v $P:/x bb true; docker volume rm $P > o; sleep 1.1; docker events --since 1m --until 0s --filter volume=$P --format '{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.driver}} {{.Actor.Attributes.destination}} {{.Actor.Attributes.propagation}}' | sed 's/  */ /g'
### x-events/exec-and-health
docker run -d --name $P bb:health sleep 60 > id; wait_for is_health $P unhealthy; docker exec $P echo hi > o; sleep 1.1; docker events --since 1m --until 0s --filter container=$P --filter event=health_status --format '{{.Action}}' | head -1; docker events --since 1m --until 0s --filter container=$P --format '{{.Action}}' | grep 'echo hi'; docker events --since 1m --until 0s --filter container=$P --filter 'event=health_status: unhealthy' --format '{{.Action}}' | head -1
### x-events/kill-oom-die
docker run -d --name $P bb sleep 60 > id; docker kill -s USR1 $P > o; docker kill $P > o; wait_state $P exited; sleep 1.1; docker events --since 1m --until 0s --filter container=$P --format '{{.Action}} sig={{.Actor.Attributes.signal}} code={{.Actor.Attributes.exitCode}}' | grep -E 'kill|die'
### x-events/live
docker events --filter container=$P --format '{{.Action}}' > ev & e=$!; sleep 0.7; docker run --name $P bb true; docker rm $P > o; wait_for grep -q destroy ev; kill $e; cat ev
### x-events/api
api GET '/events?since=bad&until=1'; api GET '/events?until=x'; filtered GET /events 'bad' until=1; filtered GET /events '{"x":["y"]}' until=1; api GET '/events?since=1&until=2'; api GET '/events?since=10&until=2'
### x-wait/conditions
docker create --name $P bb sh -c 'sleep 0.5; exit 4' > id; docker wait $P; docker start $P; docker wait $P; docker wait $P $P; docker wait nosuch-$P $P; echo rc=$?; docker wait; echo rc=$?
### x-wait/api
docker create --name $P bb sh -c 'exit 4' > id; (body POST "/containers/$P/wait?condition=next-exit" > n) & (body POST "/containers/$P/wait?condition=removed" > r) & sleep 0.5; api POST "/containers/$P/wait?condition=not-running"; api POST "/containers/$P/wait"; docker start $P > o; wait_for test -s n; cat n; docker rm $P > o; wait_for test -s r; cat r; api POST "/containers/nosuch-$P/wait"; api POST "/containers/nosuch-$P/wait?condition=removed"
### x-wait/running-killed
docker run -d --name $P bb sleep 60 > id; (docker wait $P > w) & sleep 0.3; docker kill $P; wait; cat w; docker run -d --name $P-2 bb sleep 60 > id; (docker wait $P-2 > w) & sleep 0.3; docker rm -f $P-2; wait; cat w
### x-attach/forms
docker run -d -i --name $P bb sh -c 'read x; echo got $x; exit 6' > id; docker kill $P > o; docker attach $P; echo rc=$?; docker create --name $P-2 bb > id; docker attach $P-2; echo rc=$?; docker attach nosuch-$P; echo rc=$?; docker run -d --name $P-3 bb sleep 60 > id; docker pause $P-3 > o; docker attach $P-3; echo rc=$?; docker attach --detach-keys bad-q $P-3; echo rc=$?
### x-attach/output-only
docker run -d --name $P bb sh -c 'sleep 1; echo o; echo e >&2; exit 3' > id; docker attach --no-stdin $P > o 2> e; echo rc=$?; cat o e
### x-attach/detach-keys-tty
docker run -dit --name $P bb sh > id; (sleep 0.7; printf '\020\021'; sleep 1) | script -qec "docker attach $P" /dev/null | tr -d '\r' | tail -1; docker inspect -f '{{.State.Running}}' $P; (sleep 0.7; printf 'x'; sleep 1) | script -qec "docker attach --detach-keys x $P" /dev/null | tr -d '\r' | tail -1; docker inspect -f '{{.State.Running}}' $P
### x-attach/detach-run
(sleep 1; printf '\020\021'; sleep 1) | script -qec "docker run -it --name $P bb sh" /dev/null > o; docker inspect -f '{{.State.Running}}' $P; docker kill $P > o
### x-attach/two-clients
docker run -d --name $P bb sh -c 'sleep 1.2; echo both; sleep 0.2' > id; docker attach --no-stdin $P > a & docker attach --no-stdin $P > b & wait; cat a b
### x-attach/api
docker run -d --name $P bb sh -c 'echo o; echo e >&2; sleep 0.5' > id; wait_state $P exited; api POST "/containers/$P/attach?logs=1&stderr=1" | od -c | head; api POST "/containers/$P/attach"; api POST "/containers/nosuch-$P/attach?stdout=1"; api POST "/containers/$P/attach?stdout=maybe&logs=1" | head -1
### x-attach/start-attach
docker create --name $P bb sh -c 'echo o; exit 5' > id; docker start -a $P; echo rc=$?; docker start -ai $P $P; echo rc=$?; docker start $P nosuch-$P; echo rc=$?; docker start -a nosuch-$P; echo rc=$?; docker start --checkpoint x $P; echo rc=$?
### x-life/start-states
docker run -d --name $P bb sleep 60 > id; docker start $P; echo rc=$?; docker pause $P > o; docker start $P; echo rc=$?; docker pause $P; echo rc=$?; docker stop -t 1 $P; state $P; docker pause $P; echo rc=$?; docker unpause $P; echo rc=$?; api POST /containers/$P/start; api POST /containers/$P/start; api POST /containers/$P/stop?t=0; api POST /containers/$P/stop
### x-life/restart-states
docker create --name $P bb sleep 60 > id; docker restart -t 0 $P; is $P running && echo up; docker pause $P > o; docker restart -t 0 $P; echo rc=$?; state $P; docker restart -s INT -t 0 $P; docker restart nosuch-$P; echo rc=$?; docker restart -t x $P; echo rc=$?; docker kill $P > o; docker inspect -f '{{.RestartCount}}' $P
### x-life/kill-forms
docker run -d --name $P bb sh -c 'trap "" HUP USR1; while :; do sleep 0.1; done' > id; for s in HUP SIGUSR1 hup 1 0 99 -1 '' NOSUCH; do docker kill -s "$s" $P; echo "rc=$? $s"; done 2>&1; docker kill $P $P-x; echo rc=$?; docker kill $P; echo rc=$?; docker create --name $P-c bb > id; docker kill $P-c; echo rc=$?; api POST "/containers/$P/kill?signal=x"; api POST "/containers/nosuch-$P/kill"
### x-life/stop-forms
docker run -d --name $P bb sh -c 'trap "exit 9" TERM; trap "exit 8" INT; while :; do sleep 0.1; done' > id; sleep 0.3; docker stop -s INT -t 5 $P; state $P; docker stop $P nosuch-$P; echo rc=$?; docker start $P > o; sleep 0.3; docker stop --time 3 $P; state $P; docker stop -t bad $P; echo rc=$?; api POST "/containers/$P/stop?t=x"; docker kill $P > o 2>&1
### x-life/rename
docker create --name $P bb > id; docker rename $P $P-2; docker rename $P-2 $P-2; echo rc=$?; docker rename $P-2 'a b'; echo rc=$?; docker rename nosuch-$P x; echo rc=$?; docker create --name $P-3 bb > id; docker rename $P-2 $P-3; echo rc=$?; docker rename $P-2 ''; echo rc=$?; docker rename $P-2 /$P-4; docker inspect -f '{{.Name}}' $P-4; api POST "/containers/$P-4/rename"; api POST "/containers/$P-4/rename?name=$P-5"; docker ps -a --filter name=$P --format '{{.Names}}' | sort
### x-life/pause-rm-stop
docker run -d --name $P bb sleep 60 > id; docker pause $P $P; echo rc=$?; docker rm $P; echo rc=$?; docker rm -f $P; echo rc=$?; docker pause nosuch-$P; echo rc=$?; docker unpause nosuch-$P; echo rc=$?
### x-life/rm-forms
docker create --name $P bb > id; docker rm $P; sleep 0.5; docker rm $P; echo rc=$?; docker rm nosuch-$P; echo rc=$?; docker rm; echo rc=$?; docker rm -f nosuch-$P; echo rc=$?; docker run -d --name $P-r bb sleep 60 > id; api DELETE /containers/$P-r; api DELETE "/containers/$P-r?force=1&v=1"; api DELETE /containers/$P-r
### x-life/restart-policy-counts
docker run -d --name $P --restart on-failure:1 bb false > id; wait_for sh -c "[ \$(docker inspect -f '{{.RestartCount}}{{.State.Status}}' $P) = 1exited ]"; docker start $P > o; wait_for sh -c "[ \$(docker inspect -f '{{.RestartCount}}{{.State.Status}}' $P) = 1exited ]"; docker inspect -f '{{.RestartCount}} {{.State.ExitCode}}' $P; docker run -d --name $P-2 --restart on-failure bb true > id; wait_state $P-2 exited; docker inspect -f '{{.RestartCount}} {{json .HostConfig.RestartPolicy}}' $P-2
### x-life/restart-always-stop-start
docker run -d --name $P --restart always bb sh -c 'echo x; sleep 0.2; exit 1' > id; wait_for sh -c "[ \$(docker inspect -f '{{.RestartCount}}' $P) -ge 2 ]"; docker stop -t 0 $P > o; sleep 0.5; docker inspect -f '{{.State.Status}} {{.State.Restarting}}' $P; docker start $P > o; docker inspect -f '{{.RestartCount}}' $P; docker rm -f $P
### x-life/restart-bad-command
docker run -d --name $P --restart always bb /nosuch; echo rc=$?; sleep 0.5; docker inspect -f '{{.State.Status}} {{.RestartCount}}' $P; docker rm -f $P
### x-life/update-forms
docker run -d --name $P -m 64m bb sleep 60 > id; docker update $P; echo rc=$?; docker update -m 1k $P; echo rc=$?; docker update -m 128m $P; echo rc=$?; docker update -m 32m --memory-swap 64m $P; docker update --memory-reservation 16m $P; docker update --cpus 0.5 $P; docker update --cpu-period 50000 $P; echo rc=$?; docker update --cpu-shares 512 --cpuset-cpus 0 $P; docker update --cpuset-cpus 99 $P; echo rc=$?; docker update --pids-limit 20 $P; docker update --blkio-weight 5 $P; echo rc=$?; docker update --restart bad $P; echo rc=$?; docker update -m 64m nosuch-$P; echo rc=$?; docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuPeriod}} {{.HostConfig.CpuShares}} {{.HostConfig.CpusetCpus}} {{.HostConfig.PidsLimit}}' $P
### x-life/update-stopped
docker create --name $P bb > id; docker update -m 64m --memory-swap 64m --cpus 1.5 --pids-limit 9 --cpu-quota 0 $P; docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' $P; docker update --pids-limit -1 $P; docker inspect -f '{{.HostConfig.PidsLimit}}' $P; docker update --cpus 1 --cpu-period 1000 $P; echo rc=$?; docker update --kernel-memory 8m $P; echo rc=$?
### x-life/update-api
docker create --name $P bb > id; api POST /containers/$P/update '{}'; api POST /containers/$P/update '{"Memory":-1}'; api POST /containers/$P/update '{"Memory":"x"}' | head -1; api POST /containers/$P/update 'x'; api POST /containers/$P/update '{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":2}}'; api POST /containers/$P/update '{"RestartPolicy":{"Name":"nope"}}'; api POST /containers/nosuch-$P/update '{}'; api POST /containers/$P/update '{"Nope":1}'; docker inspect -f '{{json .HostConfig.RestartPolicy}}' $P
### x-top/forms
needs_ps
docker run -d --name $P bb sh -c 'sleep 61; true' > id; docker top $P -eo pid,args | awk '{$1=""; print}' | sort; docker top $P -o comm; echo rc=$?; docker top $P o pid,comm | wc -l; docker pause $P > o; docker top $P -o pid,stat | wc -l; docker stop -t 0 $P > o; docker top $P; echo rc=$?
### x-stats/forms
docker run -d --name $P bb sleep 60 > id; docker stats --no-stream --format '{{.Name}} {{.Container}} {{.PIDs}}' $P; docker stats --no-stream $P | head -1; docker stats --no-stream --format '{{json .}}' $P | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'; docker stats --no-stream nosuch-$P; echo rc=$?; docker create --name $P-2 bb > id; docker stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.CPUPerc}} {{.PIDs}} {{.NetIO}} {{.BlockIO}}' $P-2; docker stats --no-stream --format '{{.Nope}}' $P; echo rc=$?
### x-stats/api
docker run -d --name $P --network none -m 64m bb sleep 60 > id; body GET "/containers/$P/stats?stream=0&one-shot=1" | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d)); print(sorted(d["cpu_stats"]), sorted(d["precpu_stats"]), sorted(d["memory_stats"]), d["memory_stats"]["limit"], sorted(d["pids_stats"]), d["num_procs"], d["storage_stats"], sorted(d["blkio_stats"]))'; docker create --name $P-2 bb > id; body GET "/containers/$P-2/stats?stream=0" | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d)); print(d["memory_stats"], d["pids_stats"])'; api GET "/containers/nosuch-$P/stats?stream=0"; api GET "/containers/$P/stats?stream=0&one-shot=x" | head -1
### x-port/none
docker create --name $P --network none bb:expose > id; docker port $P; echo rc=$?; docker port $P 80; echo rc=$?; docker port nosuch-$P; echo rc=$?
