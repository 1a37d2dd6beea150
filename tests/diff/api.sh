The raw API: versions, bad bodies, unknown parameters, headers.

### x-api/versions
for v in v1.24 v1.23 v1.51 v1.52 v9.9 v1 1.51 vx v1.30.1; do echo "== $v"; api GET /$v/_ping; done; for v in v1.24 v1.51; do api HEAD /$v/_ping | head -1; done
### x-api/ping-headers
curl -sI --unix-socket $SOCK http://d/_ping | tr -d '\r' | grep -ivE '^(date|server|ostype|content-length|builder-version):' | sort; curl -s -i --unix-socket $SOCK http://d/_ping | tr -d '\r' | grep -iE '^(api-version|cache-control|pragma|swarm|content-type|docker-exp)' | sort
### x-api/not-found
api GET /nosuch; api GET /v1.51/nosuch; api POST /containers/json; api PUT /_ping; api DELETE /version; api GET /; api GET /v1.51; api GET /containers//json; api GET /containers/a/b/c; api OPTIONS /version
### x-api/method-and-slashes
api GET //version | head -1; api GET /version/ | head -1; api GET '/containers/json/' | head -1; api GET '/v1.51//containers/json' | head -1; api HEAD /version | head -1; api HEAD /containers/json | head -1
### x-api/create-bodies
for b in '' '{}' 'null' '[]' '"x"' '5' '{' '{"Image":5}' '{"Image":"bb"} x' '{"Image":"nosuch-x"}' '{"Image":"Bad"}' '{"Image":"bb","Cmd":5}' '{"Image":"bb","Env":"x"}' '{"Image":"bb","Labels":["x"]}' '{"Image":"bb","Tty":"x"}' '{"Image":"bb","ExposedPorts":{"bad":{}}}' '{"Image":"bb","ExposedPorts":["80"]}' '{"Image":"bb","StopTimeout":"x"}' '{"Image":"bb","HostConfig":[]}' '{"Image":"bb","NetworkingConfig":5}'; do echo "== $b"; api POST "/containers/create?name=$P" "$b"; done
### x-api/create-odd-ok
for b in '{"Image":"bb","Nope":1}' '{"image":"bb","CMD":["x"]}' '{"Image":"bb","HostConfig":null}' '{"Image":"bb","Hostname":null,"Env":null,"Labels":null}' '{"Image":"bb","HostConfig":{"Nope":5}}' '{"Image":"bb","Image":"bb:env"}' '{"Image":"bb","Domainname":"d.e"}' '{"Image":"bb","ArgsEscaped":true,"OnBuild":["RUN x"]}' '{"Image":"bb","NetworkDisabled":true}' '{"Image":"bb","Shell":["/bin/x"]}'; do echo "== $b"; body POST "/containers/create?name=$P" "$b"; docker inspect -f '{{.Config.Image}} {{json .Config.Cmd}} {{json .Config.Env}} {{.Config.Domainname}} {{json .Config.OnBuild}} {{json .Config.Shell}}' $P; docker rm $P > o; done
### x-api/content-type
curl -s -w '%{http_code}\n' --unix-socket $SOCK -X POST -H 'Content-Type: text/plain' -d '{"Image":"bb"}' "http://d/containers/create?name=$P"; curl -s -w '%{http_code}\n' --unix-socket $SOCK -X POST -H 'Content-Type:' -d '{"Image":"bb"}' "http://d/containers/create?name=$P"; curl -s -w '%{http_code}\n' --unix-socket $SOCK -X POST -H 'Content-Type: application/json; charset=utf-8' -d '{"Image":"bb"}' "http://d/containers/create?name=$P" | sed 's/[0-9a-f]\{64\}/ID/'; curl -s -w '%{http_code}\n' --unix-socket $SOCK -X POST -H 'Content-Type: application/JSON' -d '{"Image":"bb"}' "http://d/containers/create?name=$P-2" | sed 's/[0-9a-f]\{64\}/ID/'
### x-api/start-body
docker create --name $P bb sleep 60 > id; api POST /containers/$P/start '{"Binds":["/a:/b"]}'; api POST /containers/$P/start; api POST /containers/nosuch-$P/start; api POST "/containers/$P/start?detachKeys=bad-x"; api POST /v1.24/containers/$P/start
### x-api/actions-404-409
docker create --name $P bb > id; for a in pause unpause kill stop restart?t=0 resize?h=1\&w=1 rename update wait?condition=removed; do [ "$a" = wait?condition=removed ] && continue; echo "== $a"; api POST "/containers/nosuch-$P/$a" ''; [ "$a" = restart?t=0 ] || api POST "/containers/$P/$a"; done; for a in json top logs?stdout=1 changes export stats?stream=0 archive?path=/; do echo "== $a"; api GET "/containers/nosuch-$P/$a"; done
### x-api/inspect-versions
docker create --name $P bb > id; for v in v1.24 v1.40 v1.44 v1.48 v1.51; do body GET /$v/containers/$P/json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d)); print(sorted(d["HostConfig"])); print(sorted(d["Config"])); print(sorted(d["NetworkSettings"]))'; done
### x-api/image-inspect-versions
for v in v1.24 v1.40 v1.44 v1.47 v1.48 v1.50 v1.51; do body GET /$v/images/bb/json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d)); print(sorted(d["Config"])); print(sorted(d.get("ContainerConfig") or []))'; done
### x-api/lists-versions
docker create --name $P bb > id; for v in v1.24 v1.40 v1.45 v1.48 v1.51; do filtered GET /$v/containers/json "{\"name\":[\"$P\"]}" all=1 | python3 -c 'import json,sys; sys.stdin.readline(); d=json.load(sys.stdin)[0]; print(sorted(d), sorted(d["HostConfig"]))'; filtered GET /$v/images/json '{"reference":["bb:env"]}' | python3 -c 'import json,sys; sys.stdin.readline(); d=json.load(sys.stdin)[0]; print(sorted(d))'; done
### x-api/info-version-keys
for v in v1.24 v1.44 v1.51; do body GET /$v/version | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'; body GET /$v/info | python3 -c 'import json,sys; print(sorted(set(json.load(sys.stdin)) - {"BridgeNfIptables", "BridgeNfIp6tables", "KernelMemory", "Containerd", "FirewallBackend"}))'; done
### x-api/df-keys
body GET /system/df | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d))'; body GET '/system/df?type=container' | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d))'; api GET '/system/df?type=bad'; body GET '/system/df?type=image&type=volume' | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d))'; body GET '/v1.24/system/df' | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d))'
### x-api/df-format
docker system df --format '{{.Type}} {{.TotalCount}}' | awk '{print $1}'; docker system df --format '{{.Nope}}' | head -1; docker system df -v --format '{{json .}}' | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sorted(d))'; docker system df extra; echo rc=$?
### x-api/image-get-errors
api GET /images/nosuch-$P/json; api GET /images/Bad/json; api GET "/images/bb/json?manifests=1" | head -1; api GET /images/nosuch-$P/history; api GET '/images/bb/json?platform=x' | cut -c1-34; api GET '/images/bb/history?platform=x' | cut -c1-34; api POST '/images/prune?filters=x'; api POST '/images/nosuch-x/push' ''
### x-api/later-objects
api GET /swarm; api GET /services; api GET /nodes; api GET /tasks; api GET /secrets; api GET /configs; api POST /swarm/leave; api GET /plugins; api GET /plugins/x/json; true
### x-api/resize-and-hijack-errors
docker create --name $P bb > id; api POST "/containers/$P/attach?stream=1&stdout=1&detachKeys=bad-x"; curl -s -i --max-time 3 --unix-socket $SOCK -X POST -H 'Connection: Upgrade' -H 'Upgrade: tcp' "http://d/containers/$P/attach?stdout=1&logs=1" | tr -d '\r' | grep -iE '^(HTTP|content-type|connection|upgrade)'; docker run --name $P-2 bb echo x > o; curl -s -i --max-time 3 --unix-socket $SOCK -X POST "http://d/containers/$P-2/attach?stdout=1&logs=1" | tr -d '\r' | tr -d '\000-\011' | grep -aiE '^(HTTP|content-type|connection|upgrade)|x$'
### x-api/log-headers
docker run --name $P bb echo x > o; docker run --name $P-t -t bb echo x > o; for c in $P $P-t; do for v in v1.41 v1.42 v1.51; do curl -s -o o -w '%{content_type}\n' --unix-socket $SOCK "http://d/$v/containers/$c/logs?stdout=1"; done; done
### x-api/bool-forms
docker create --name $P bb > id; for b in 1 0 true false True yes no none '' x; do printf '%s: ' "$b"; filtered GET /containers/json "{\"name\":[\"$P\"]}" all=$b | grep -c '"Id"'; done
### x-api/prune-bodies
api POST '/containers/prune?filters=bad'; api POST '/volumes/prune?filters=%7B%22x%22%3A%5B%22y%22%5D%7D'; api POST '/containers/prune?filters=%7B%22until%22%3A%5B%22y%22%5D%7D'; api POST '/networks/prune?filters=%7B%22x%22%3A%5B%22y%22%5D%7D'
### x-api/name-encodings
docker create --name $P bb > id; api GET "/containers/%2f$P/json" | head -1; api GET "/containers//$P/json" | head -1; api GET "/containers/$P%00/json"; api GET "/containers/..%2f$P/json" | head -1; api GET "/images/bb%3Alatest/json" | head -1; api GET "/images/library/bb/json" | head -1; api GET "/images/docker.io/library/bb:env/json" | head -1; api GET "/volumes/..%2fx"
### x-api/expect-and-chunked
printf '{"Image":"bb"}' | curl -s -w '%{http_code}\n' --unix-socket $SOCK -X POST -H 'Transfer-Encoding: chunked' -H 'Content-Type: application/json' --data-binary @- "http://d/containers/create?name=$P" | sed 's/[0-9a-f]\{64\}/ID/'; curl -s -w '%{http_code}\n' --unix-socket $SOCK -X POST -H 'Expect: 100-continue' -H 'Content-Type: application/json' -d '{"Image":"bb"}' "http://d/containers/create?name=$P" | sed 's/[0-9a-f]\{64\}/ID/'
### x-cli/help-and-unknown
docker run --help | head -3; docker nosuch; echo rc=$?; docker ps --nosuch; echo rc=$?; docker container; echo rc=$?
### x-cli/info-format
docker info -f '{{.OSType}} {{.Driver}} {{.CgroupDriver}} {{.Swarm.LocalNodeState}} {{.DefaultRuntime}} {{json .Plugins.Volume}} {{.LoggingDriver}}'; docker info -f '{{.Nope}}'; echo rc=$?; docker version -f '{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}'
### x-cli/system-prune-filters [serial]
docker system prune -f --filter label=nosuch-$P | tail -1; docker system prune -f --filter until=bad 2>&1 | tail -1; docker system prune -f --filter bad=1; echo rc=$?; docker system prune -f --volumes --filter until=1h; echo rc=$?
