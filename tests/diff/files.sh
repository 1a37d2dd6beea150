Copying files, diff, commit, export, import, save, load, tags.

### x-cp/file-forms
docker create --name $P bb > id; echo hi > f; docker cp f $P:/tmp/; docker cp f $P:/tmp/new; docker cp f $P:/tmp/nosuch/ 2> err; echo rc=$?; docker cp f $P:/tmp/no/f; echo rc=$?; docker cp f $P:/etc/passwd/ 2> err; echo rc=$?; docker cp f $P:rel; docker cp $P:/rel r; cat r; docker cp $P:/tmp/new .; cat new; docker cp $P:tmp/f g; cat g
### x-cp/dir-forms
docker create --name $P bb > id; mkdir -p d/e; echo 1 > d/e/f; docker cp d $P:/tmp; docker cp d $P:/tmp/n; docker cp d/. $P:/tmp/m; docker cp d/. $P:/tmp/x/ 2> err; echo rc=$?; docker cp d $P:/etc/passwd 2> err; echo rc=$?; docker cp d/ $P:/srv/; docker export $P | tar t | grep -E '^(tmp|srv)/' | sort
### x-cp/out-forms
docker create --name $P bb > id; docker cp $P:/many a; find a | sort; docker cp $P:/many a; find a | sort; docker cp $P:/many/. b; find b | sort; docker cp $P:/many/1/ c; echo rc=$?; docker cp $P:/many/1 nodir/; echo rc=$?; docker cp $P:/many/1 no/x; echo rc=$?; docker cp $P:/nosuch .; echo rc=$?; touch file; docker cp $P:/many file; echo rc=$?
### x-cp/out-existing-file
docker create --name $P bb > id; echo long long content > 1; docker cp $P:/many/1 1; cat 1; mkdir 2; docker cp $P:/many/2 2; find 2; mkdir -p 3/a; docker cp $P:/many/a 3/a; find 3 | sort
### x-cp/stdin-stdout
docker create --name $P bb > id; echo hi > f; tar c f | docker cp - $P:/tmp; docker cp $P:/tmp/f - | tar tv | awk '{print $1, $2, $NF}'; docker cp $P:/many - | tar t | sort; docker cp $P:/many/. - | tar t | sort; echo junk | docker cp - $P:/tmp 2> err; echo rc=$?; tar c f | docker cp - $P:/tmp/new; echo rc=$?; tar c f | docker cp - $P:/etc/passwd; echo rc=$?; docker cp - -; echo rc=$?
### x-cp/links-out
docker create --name $P bb > id; docker cp $P:/links/file a; ls -l a | cut -c1; readlink a; docker cp -L $P:/links/file b; cat b; docker cp $P:/links/dir c; readlink c; docker cp $P:/links/dir/ d; find d | sort; docker cp -L $P:/links/dir e; find e | sort; docker cp $P:/links/broken f; readlink f; docker cp -L $P:/links/broken g; echo rc=$?; docker cp -L $P:/links/loop g; echo rc=$?; docker cp $P:/links/up h; readlink h; docker cp -L $P:/links/up i; cat i
### x-cp/links-in
docker create --name $P bb > id; echo hi > f; docker cp f $P:/links/dir; docker cp f $P:/links/broken; echo rc=$?; docker cp f $P:/links/file; docker cp f $P:/links/loop; echo rc=$?; docker cp f $P:/links/up; docker export $P | tar tv | awk '{print $1, $6, $7, $8}' | grep -E 'links|many/|no/|etc/issue|etc/f' | sort
### x-cp/links-local
docker create --name $P bb > id; echo hi > f; ln -s f l; ln -s nosuch b; mkdir d; ln -s d dl; docker cp l $P:/tmp/l; docker cp -L l $P:/tmp/L; docker cp b $P:/tmp/b; docker cp -L b $P:/tmp/B; echo rc=$?; docker cp dl $P:/tmp/dl; docker cp dl/ $P:/tmp/DL; docker export $P | tar tv | awk '{print $1, $6, $7, $8}' | grep ' tmp/' | sort
### x-cp/owner-mode-time
docker create --name $P bb > id; echo hi > f; chmod 4750 f; chown 1234:55 f; touch -d @1234567890 f; docker cp f $P:/tmp/a; docker cp -a f $P:/tmp/b; mkdir d; chown 7:8 d; docker cp d $P:/tmp/c; docker cp -a d $P:/tmp/e; docker export $P | tar tvn | awk '{print $1,$2,$4,$6}' | grep ' tmp/.' | sort -k4; docker cp $P:/data/seed s; stat -c '%u %a %Y' s; docker cp -a $P:/data/seed t; stat -c '%u %a' t
### x-cp/running-and-paused
docker run -d --name $P bb sh -c 'echo in > /tmp/x; sleep 60' > id; wait_for docker exec $P test -s /tmp/x; docker cp $P:/tmp/x .; cat x; docker pause $P > o; docker cp x $P:/tmp/y; echo rc=$?; docker unpause $P > o; docker exec $P cat /tmp/y
### x-cp/volumes-and-binds
mkdir b; docker create --name $P -v $P-v:/v -v $D/b:/b --tmpfs /t bb > id; echo hi > f; docker cp f $P:/v/f; docker cp f $P:/b/f; docker cp f $P:/t/f; echo rc=$?; docker cp $P:/v/f g; cat g; cat b/f; docker run --rm -v $P-v:/v bb cat /v/f
### x-cp/running-volumes-tmpfs-proc
mkdir b; docker run -d --name $P -v $P-v:/v -v $D/b:/b:ro --tmpfs /t bb sleep 60 > id; echo hi > f; docker cp f $P:/v/f; docker exec $P cat /v/f; docker cp f $P:/b/f; echo rc=$?; docker cp $P:/proc/1/comm .; echo rc=$?; docker cp f $P:/dev/shm/f; docker exec $P ls /dev/shm; docker cp f $P:/sys/f; echo rc=$?
### x-cp/read-only
docker create --name $P --read-only -v $P-v:/v bb > id; echo x > f; docker cp f $P:/tmp/f; echo rc=$?; docker cp f $P:/v/f; echo rc=$?; docker cp $P:/etc/issue -  | tar t
### x-cp/into-volume-ro
docker create --name $P -v $P-v:/v:ro bb > id; echo x > f; docker cp f $P:/v/f; echo rc=$?; docker cp f $P:/v; echo rc=$?
### x-cp/special-files
docker run --name $P bb sh -c 'mkfifo /tmp/p; mknod /tmp/n c 1 3; ln /many/1 /tmp/h; ln -s x /tmp/s; mkdir /tmp/d; chmod 1777 /tmp/d'; docker cp $P:/tmp - | tar tvn | awk '{print $1,$2,$NF}' | sort
### x-cp/between-and-bad
docker create --name $P bb > id; docker cp $P:/etc/issue $P:/tmp; echo rc=$?; docker cp a b; echo rc=$?; docker cp nosuch-$P:/x .; echo rc=$?; docker cp nosuchfile $P:/tmp; echo rc=$?; docker cp $P: .; echo rc=$?; docker cp $P:/etc/issue; echo rc=$?; docker cp : x; echo rc=$?
### x-cp/root-and-dots
docker create --name $P bb > id; mkdir out; docker cp $P:/ out; ls out | head -3; docker cp $P:/many/../etc/issue i; cat i; docker cp $P:/../../etc/issue j; cat j; echo y > f; docker cp f $P:/; docker cp $P:/f k; cat k
### x-cp/quiet-and-progress
docker create --name $P bb > id; echo hi > f; docker cp -q f $P:/tmp; docker cp f $P:/tmp; docker cp -q $P:/tmp/f g; cat g
### x-cp/names-odd
docker create --name $P bb > id; echo 1 > 'a b'; echo 2 > 'ü'; echo 3 > 'c:d'; docker cp 'a b' $P:/tmp/; docker cp ü $P:/tmp/; docker cp ./c:d $P:/tmp/; docker cp $P:'/tmp/a b' x; cat x; docker cp $P:/tmp - | tar t | sort; docker cp $P:/tmp/c:d ./y:z; cat y:z
### x-cp/head-archive
docker create --name $P bb > id; for p in /etc/issue /many /links/dir /nosuch '' rel/../etc; do curl -s -I --unix-socket $SOCK "http://d/containers/$P/archive?path=$p" | tr -d '\r' | grep -iE '^HTTP|path-stat' | while read -r k v; do case $k in X-*) echo "$v" | base64 -d | sed 's/"mtime":"[^"]*"//'; echo;; *) echo "$k $v";; esac; done; done
### x-cp/archive-api-errors
docker create --name $P bb > id; api GET "/containers/$P/archive"; api GET "/containers/$P/archive?path=/nosuch"; api GET "/containers/nosuch-$P/archive?path=/"; api PUT "/containers/$P/archive?path=/nosuch" ''; api PUT "/containers/$P/archive?path=/etc/passwd" ''; api PUT "/containers/$P/archive" ''
### x-cp/no-overwrite-dir-non-dir
docker create --name $P bb > id; mkdir -p t/many/1; tar -C t -c many > t.tar; curl -s -o /dev/null -w '%{http_code}\n' --unix-socket $SOCK -T t.tar "http://d/containers/$P/archive?path=/&noOverwriteDirNonDir=1" > o; curl -s -w '%{http_code}\n' --unix-socket $SOCK -T t.tar "http://d/containers/$P/archive?path=/"; docker cp $P:/many - | tar t | sort
### x-cp/compressed-stdin
docker create --name $P bb > id; echo hi > f; for z in z j; do tar c$z f > t; curl -s -w '%{http_code}\n' --unix-socket $SOCK -T t "http://d/containers/$P/archive?path=/tmp"; docker cp $P:/tmp/f - | tar t; done
### x-diff/kinds
docker run --name $P bb sh -c 'echo x > /new; rm /many/1; echo y >> /many/2; mkdir /d; touch /d/f; rm -r /many/a; mkdir /many/a; chmod 700 /srv; mv /etc/issue /etc/issue2; ln -s x /lnk; mkfifo /p'; docker diff $P | sort -k2
### x-diff/touch-and-back
docker run --name $P bb sh -c 'touch /many/1; chmod 644 /many/2; echo x > /tmp/a; rm /tmp/a; cp -p /many/2 /many/2b; mv /many/2b /many/2'; docker diff $P | sort -k2
### x-diff/mounts-hidden
docker run --name $P -v $P-v:/v/w --tmpfs /t -v /anon bb sh -c 'touch /v/w/x /t/x /anon/x /dev/shm/x'; docker diff $P | sort -k2; docker create --name $P-2 bb > id; docker diff $P-2; docker diff nosuch-$P; body GET /containers/$P-2/changes
### x-diff/workdir-and-hosts
docker run --name $P -w /w/x bb sh -c 'echo 1.1.1.1 z >> /etc/hosts'; docker diff $P | sort -k2; body GET /containers/$P/changes | tr -d ' \n'
### x-commit/changes
docker create --name $P bb > id; docker commit -c 'ENV A=1 B="x y"' -c 'CMD ["a","b"]' -c 'ENTRYPOINT sh -c' -c 'EXPOSE 80 90/udp' -c 'LABEL k=v' -c 'USER app' -c 'VOLUME /v' -c 'WORKDIR /w' -c 'STOPSIGNAL INT' -c 'HEALTHCHECK --interval=5s CMD true' -c 'ONBUILD RUN x' $P $P-i > id; docker inspect -f '{{json .Config}}' $P-i
### x-commit/bad-changes
docker create --name $P bb > id; for c in 'RUN x' 'FROM x' 'nosuch' 'ENV' 'ENV A' 'EXPOSE x' 'EXPOSE 99999' 'USER' 'WORKDIR' 'STOPSIGNAL BAD' 'HEALTHCHECK' 'HEALTHCHECK --interval=x CMD true' 'COPY a b' 'ADD a b' 'ARG x' 'SHELL ["sh"]' 'MAINTAINER me' 'CMD ["a"' 'VOLUME' 'LABEL a' '' 'env a=b' 'ONBUILD FROM x' 'ONBUILD ONBUILD x'; do docker commit -c "$c" $P > o; echo "rc=$? $c"; [ -s o ] && docker rmi $(cat o) > o; done 2>&1
### x-commit/options
docker create --name $P bb > id; docker commit -a 'Me <m@x>' -m 'a message' $P $P-i:t > id; docker inspect -f '{{.Author}}|{{.Comment}}|{{.Config.Image}}|{{json .RepoTags}}' $P-i:t; docker history --no-trunc --format '{{.CreatedBy}}|{{.Comment}}|{{.Size}}' $P-i:t; docker commit $P Bad-Name; echo rc=$?; docker commit $P $P-i:bad:tag; echo rc=$?; docker commit nosuch-$P; echo rc=$?; docker commit $P ${P}@sha256:0000000000000000000000000000000000000000000000000000000000000000; echo rc=$?
### x-commit/keeps-config
docker create --name $P -e X=1 -w /tmp -u app -l a=b --expose 99 -v /v --entrypoint ls --stop-signal INT --health-cmd true -h hh bb -l > id; docker commit $P $P-i > id; docker inspect -f '{{json .Config}}' $P-i
### x-commit/content
docker run --name $P -v $P-v:/v bb sh -c 'echo 1 > /f; chown 5:6 /f; chmod 4711 /f; rm /many/1; touch /v/x; echo h > /etc/hosts; mkfifo /p; ln -s f /l; ln /f /h'; docker commit $P $P-i > id; docker run --rm $P-i sh -c 'stat -c "%n %F %a %u %g %h" /f /p /l /h; ls /many /v; wc -c < /etc/hosts | grep -c .'
### x-commit/running-pause
docker run -d --name $P bb sh -c 'echo x > /f; sleep 60' > id; wait_for docker exec $P test -s /f; docker commit --pause=false $P $P-i | wc -c; docker commit -p $P $P-j | wc -c; state $P; docker run --rm $P-j cat /f
### x-commit/parent-and-layers
docker run --name $P bb sh -c 'echo 1 > /f'; docker commit $P $P-i > id; docker inspect -f '{{.Parent}} {{len .RootFS.Layers}}' $P-i | sed 's/^sha256:[0-9a-f]*/PARENT/'; docker create --name $P-2 bb > id; docker commit $P-2 $P-j > id; docker inspect -f '{{len .RootFS.Layers}}' $P-j bb
### x-commit/retag-dangles
docker create --name $P --label $P bb > id; a=$(docker commit -c "LABEL $P=1" $P $P-i); b=$(docker commit -c "LABEL $P=2" $P $P-i); docker inspect -f '{{json .RepoTags}}' $a $b; docker images --filter label=$P --format '{{.Repository}}:{{.Tag}}' | sort; docker rmi $a | wc -l
### x-commit/api
docker create --name $P bb > id; api POST "/commit?container=nosuch-$P"; api POST "/commit"; api POST "/commit?container=$P&repo=$P-i&tag=v&comment=c&author=a&changes=ENV%20A=1%0ALABEL%20x=y" '{"Env":["B=2"],"Cmd":["z"]}'; docker inspect -f '{{json .Config}}' $P-i:v; api POST "/commit?container=$P&repo=Bad"; api POST "/commit?container=$P&changes=BAD"; api POST "/commit?container=$P" 'x'
### x-export/forms
docker create --name $P bb > id; docker export -o t.tar $P; tar tf t.tar | grep -c .; docker export nosuch-$P; echo rc=$?; docker export -o /nosuch/x $P; echo rc=$?; tar tvf t.tar | awk '{print $1, $6}' | grep -E ' (dev|proc|sys|etc)/' | sort; pty "docker export $P" | tail -2
### x-export/after-run
docker run --name $P -v $P-v:/v/w -w /new bb sh -c 'echo x > /f; touch /v/w/in; echo h >> /etc/hosts'; docker export $P | tar tv | awk '{print $1, $3, $6}' | grep -E ' (\.dockerenv|dev|etc/(hosts|hostname|resolv.conf)|v|new|f)(/|$)' | sort -k3; docker export $P | tar xO etc/hosts | wc -c
### x-import/changes
docker create --name $P bb > id; docker export $P > t.tar; docker import -c 'CMD ["sh","-c","echo hi"]' -c 'ENV A=1' -c 'LABEL l=m' -m 'my msg' t.tar $P-i > id; docker inspect -f '{{json .Config}} {{.Comment}} {{.Os}}/{{.Architecture}}' $P-i; docker run --rm $P-i; docker history --format '{{.CreatedBy}}|{{.Comment}}' $P-i; docker import -c 'RUN x' t.tar; echo rc=$?; docker import -c 'FROM x' t.tar; echo rc=$?
### x-import/forms
mkdir r; echo 1 > r/f; tar -C r -cf t.tar .; docker import - $P-a < t.tar | cut -c1-7; gzip -k t.tar; docker import t.tar.gz $P-b | cut -c1-7; docker import nosuch.tar; echo rc=$?; docker import t.tar Bad; echo rc=$?; docker import - < /dev/null; echo rc=$?; echo junk | docker import - 2> err; echo rc=$?; docker import --platform linux/arm64 t.tar $P-c > id; docker inspect -f '{{.Architecture}}' $P-c; docker import --platform bad/x/y/z t.tar; echo rc=$?; docker import t.tar $P-d:t:u; echo rc=$?
### x-import/same-content
mkdir r; echo $P > r/f; tar -C r -cf t.tar .; docker import t.tar $P-a > id; docker import t.tar $P-b > id; docker inspect -f '{{json .RootFS}}' $P-a > x; docker inspect -f '{{json .RootFS}}' $P-b | cmp - x && echo same; docker inspect -f '{{json .Config}} {{.Author}} {{.Comment}}' $P-a; docker history --format '{{.CreatedBy}}|{{.Comment}}' $P-a
### x-import/api
api POST "/images/create?fromSrc=-&repo=Bad" ''; mkdir r; tar -C r -cf t.tar .; curl -s --unix-socket $SOCK -X POST -T t.tar -H 'Content-Type: application/x-tar' "http://d/images/create?fromSrc=-&repo=$P&tag=q&message=m"; docker inspect -f '{{.Comment}} {{json .RepoTags}}' $P:q
### x-save/multi
docker tag bb $P-a:1; docker tag bb $P-a:2; docker tag bb:env $P-b; docker save $P-a:1 $P-b > t.tar; tar xOf t.tar manifest.json | python3 -c 'import json,sys; print([i["RepoTags"] for i in json.load(sys.stdin)])'; docker save $P-a > a.tar; echo rc=$?; docker save $P-a:1 $P-a:2 | tar xO manifest.json | python3 -c 'import json,sys; print([i["RepoTags"] for i in json.load(sys.stdin)])'; docker save nosuch-$P; echo rc=$?; docker save $P-b nosuch-$P > x; echo rc=$?
### x-save/members
docker tag bb:env $P; docker save $P | tar t | sed 's/[0-9a-f]\{64\}/ID/' | sort -u; docker save $P | tar xO repositories 2> /dev/null | tr -d ' \n'; echo; docker save $P | tar xO index.json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["schemaVersion"], d.get("mediaType"), [sorted(m["annotations"].items()) for m in d["manifests"]], [m["mediaType"] for m in d["manifests"]])'
### x-save/by-id
i=$(docker image inspect -f '{{.Id}}' bb:env); docker save $i | tar xO manifest.json | python3 -c 'import json,sys; print([i["RepoTags"] for i in json.load(sys.stdin)])'; docker tag bb:env $P-x; docker save $i $P-x | tar xO manifest.json | python3 -c 'import json,sys; print([i["RepoTags"] for i in json.load(sys.stdin)])'
### x-save/output-errors
docker save -o /nosuch/x bb; echo rc=$?; docker save; echo rc=$?; pty 'docker save bb' | tail -3; docker save --platform linux/arm64 -o x bb; echo rc=$?; docker save --platform linux/amd64 -o x bb; echo rc=$?
### x-load/forms
docker tag bb:env $P-a; docker tag bb:wd $P-b; docker save -o t.tar $P-a $P-b; docker rmi $P-a $P-b > o; docker load < t.tar | sort; gzip -k t.tar; docker load -i t.tar.gz | sort; docker load -q -i t.tar | sort; docker load -i nosuch.tar; echo rc=$?; docker load < /dev/null 2> err; echo rc=$?; pty 'docker load'; echo rc=$?
### x-load/platform
docker tag bb:env $P-a; docker save -o t.tar $P-a; docker load --platform linux/amd64 -i t.tar; echo rc=$?; docker load --platform bad/a/b/c -i t.tar; echo rc=$?
### x-load/truncated
docker tag bb:env $P-a; docker save -o t.tar $P-a; head -c 500000 t.tar > s.tar; docker load -i s.tar > o 2>&1; echo rc=$?; docker rmi $P-a > o; docker images -q $P-a | wc -l
### x-load/no-tags
i=$(docker image inspect -f '{{.Id}}' bb:env); docker save $i > t.tar; docker load -i t.tar
### x-load/renames-existing
docker create --name $P bb > id; docker commit -c "LABEL $P=1" $P $P-i > a; docker save -o t.tar $P-i; docker commit -c "LABEL $P=2" $P $P-i > b; docker load -i t.tar; [ "$(docker image inspect -f '{{.Id}}' $P-i)" = "$(cat a)" ] && echo back; docker images --filter label=$P --format '{{.Repository}}:{{.Tag}}' | sort; docker rmi $(cat b) > o
### x-load/api
api POST /images/load junk; docker tag bb:env $P-a; docker save -o t.tar $P-a; curl -s --unix-socket $SOCK -T t.tar -X POST "http://d/images/load?quiet=1"; curl -s --unix-socket $SOCK -o x -w '%{http_code} %{content_type}\n' "http://d/images/$P-a/get"; tar tf x | grep -c manifest.json; curl -s --unix-socket $SOCK -o x -w '%{http_code} %{content_type}\n' "http://d/images/get?names=$P-a&names=bb:wd"; tar xOf x manifest.json | grep -o 'RepoTags":\[[^]]*' | sort; api GET /images/nosuch-$P/get; api GET '/images/get' | head -1; api GET "/images/get?names=nosuch-$P"
### x-tag/forms
for t in $P $P:x $P:x.y_z-1 reg.example/$P:1 reg.example:5000/a/$P localhost/$P Bad $P: $P:. :x "$P:$(printf 'a%.0s' $(seq 1 129))" a//b $P/-x ${P}__a ${P}___a $P..a docker.io/$P/x docker.io/library/$P-lib $P@sha256:0000000000000000000000000000000000000000000000000000000000000000; do docker tag bb "$t"; echo "rc=$? $t"; done 2>&1 | sed 's/aaaaa*/LONG/'; docker images --filter "reference=*$P*" --format '{{.Repository}}:{{.Tag}}' | sort; docker images --format '{{.Repository}}:{{.Tag}}' | grep $P | sort; for t in $(docker images --format '{{.Repository}}:{{.Tag}}' | grep $P); do docker rmi $t > o; done
### x-tag/sources
docker tag nosuch-$P $P; echo rc=$?; docker tag bb@sha256:0000000000000000000000000000000000000000000000000000000000000000 $P; echo rc=$?; i=$(docker image inspect -f '{{.Id}}' bb); docker tag $i $P-a; docker tag $(echo ${i#sha256:} | cut -c1-12) $P-b; docker tag docker.io/library/bb:latest $P-c; docker tag library/bb $P-d; docker inspect -f '{{.Id}}' $P-a $P-b $P-c $P-d; api POST /images/bb/tag; api POST "/images/bb/tag?repo=$P-e"; api POST "/images/bb/tag?repo=$P-f&tag=bad:x"; api POST "/images/bb/tag?repo=$P-f:x&tag=y"; api POST "/images/nosuch-$P/tag?repo=x"; docker images --format '{{.Repository}}:{{.Tag}}' | grep $P | sort
### x-rmi/forms
docker tag bb $P-a:1; docker tag bb $P-a:2; docker rmi $P-a; echo rc=$?; docker rmi $P-a:1 nosuch-$P $P-a:2; echo rc=$?; docker rmi -f nosuch-$P; echo rc=$?; docker rmi Bad; echo rc=$?; docker rmi; echo rc=$?; docker rmi ''; echo rc=$?
### x-rmi/by-id-multi-tags
docker run --name $P bb sh -c "echo $P > /x"; i=$(docker commit $P $P-a); docker rm $P > o; docker tag $P-a $P-b; docker rmi $i; echo rc=$?; docker rmi -f $i | sed 's/[0-9a-f]\{64\}/ID/'; docker images --format '{{.Repository}}' | grep -c $P
### x-rmi/same-repo-by-id
docker run --name $P bb sh -c "echo $P > /x"; i=$(docker commit $P $P-a:1); docker rm $P > o; docker tag $i $P-a:2; docker rmi $i | sed 's/[0-9a-f]\{64\}/ID/'; echo rc=$?; docker rmi -f $P-a:1 $P-a:2 > o
### x-rmi/no-prune
docker run --name $P --label $P bb sh -c "echo $P > /x"; a=$(docker commit -c "LABEL $P=1" $P); docker run --name $P-2 $a sh -c 'echo 2 > /y'; docker commit $P-2 $P-b > id; docker rm $P $P-2 > o; docker rmi --no-prune $P-b | sed 's/[0-9a-f]\{64\}/ID/'; docker image inspect -f '{{json .RepoTags}}' $a; docker rmi $a | sed 's/[0-9a-f]\{64\}/ID/'
### x-rmi/api
docker tag bb $P-a; api DELETE /images/$P-a; api DELETE /images/nosuch-$P; api DELETE "/images/Bad"; docker run --name $P bb sh -c "echo $P > /x"; docker commit $P $P-i > id; docker create --name $P-u $P-i > id; api DELETE /images/$P-i; api DELETE "/images/$P-i?force=1&noprune=1"
### x-images/filters
docker create --name $P --label $P bb > id; docker commit -c "LABEL $P=1" -c 'LABEL z=q' $P $P-a:1 > id; docker commit -c "LABEL $P=2" $P > id; for f in label=$P label=$P=1 label!=$P=1 'label=nosuch' dangling=true dangling=false dangling=x reference=$P-a reference=$P-a:1 "reference=*-a" reference=nosuch before=$P-a:1 since=bb until=0 until=x nosuch=1; do echo "== $f $(docker images --filter label=$P --filter "$f" --format '{{.Repository}}:{{.Tag}}' 2>&1 | sort | tr '\n' ' ')"; done; docker rmi $(docker images -q --filter label=$P=2) > o
### x-images/args
docker tag bb $P-a:1; docker images $P-a:1 --format '{{.Tag}}'; docker images $P-a:2; docker images nosuch-$P; docker images a b; echo rc=$?; docker images --format 'table {{.Repository}}\t{{.Tag}}' $P-a; docker images --format '{{json .}}' $P-a; docker images --format '{{.Nope}}' $P-a; echo rc=$?; docker images --format '{{' $P-a; echo rc=$?; docker images -q $P-a | wc -c; docker images --no-trunc --format '{{.ID}}' $P-a | wc -c
### x-images/api
docker tag bb:label $P-a:1; filtered GET /images/json "{\"reference\":[\"$P-a\"]}"; filtered GET /images/json "{\"reference\":[\"$P-a\"]}" shared-size=1; filtered GET /images/json 'bad'; filtered GET /images/json '{"reference":{"'$P-a'":true}}' manifests=1 | grep -c Manifests; filtered GET /images/json '{"dangling":["maybe"]}'
### x-history/forms
docker run --name $P bb sh -c 'echo 1 > /f'; docker commit -m "msg $P" -a me $P $P-i > id; docker history $P-i | tail -n +2 | awk '{print $NF}'; docker history -q --no-trunc $P-i | sed 's/sha256:.*/SHA/'; docker history --human=false --format '{{.Size}}' $P-i | sed 's/[1-9][0-9]*/N/'; docker history nosuch-$P; echo rc=$?; body GET /images/$P-i/history; docker history --format json $P-i | head -1 | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'
### x-inspect/image-templates
docker image inspect -f '{{.Os}} {{.Architecture}} {{.Variant}} {{.Author}}|{{json .RepoDigests}}|{{json .RootFS.Type}}|{{json .GraphDriver.Name}}|{{json .Metadata}}' bb | sed 's/20[0-9-]*T[^"]*/T/'; docker image inspect nosuch-$P bb -f '{{.Os}}'; echo rc=$?; docker image inspect -f '{{.Nope}}' bb; echo rc=$?; docker inspect --type image -f '{{.Os}}' bb:env; docker inspect --type container bb; echo rc=$?; docker inspect --type bad bb; echo rc=$?; docker image inspect --platform linux/arm64 bb; echo rc=$?
### x-prune/containers-filters [serial]
docker create --name $P-a -l k=$P bb > id; docker create --name $P-b -l z=$P bb > id; docker container prune -f --filter label=k=$P | sed 's/[0-9a-f]\{64\}/ID/'; docker ps -a --filter name=$P --format '{{.Names}}'; docker container prune -f --filter label=z=$P --filter until=24h | tail -1; docker container prune -f --filter nosuch=x; echo rc=$?; docker container prune -f --filter label=z=$P --filter until=bad; echo rc=$?; echo n | docker container prune --filter label=z=$P; filtered POST /containers/prune "{\"label\":[\"z=$P\"]}" | sed 's/[0-9a-f]\{64\}/ID/'
### x-prune/images-filters [serial]
docker create --name $P bb > id; docker commit -c "LABEL $P=1" $P > id; docker commit -c "LABEL $P=2" $P $P-t > id; docker image prune -f --filter label=$P | sed 's/[0-9a-f]\{64\}/ID/'; docker images --filter label=$P --format '{{.Repository}}'; docker image prune -af --filter label=$P | sed 's/[0-9a-f]\{64\}/ID/' | sort; docker image prune -f --filter label=$P --filter until=bad; echo rc=$?; docker image prune -f --filter nosuch=1; echo rc=$?; filtered POST /images/prune "{\"dangling\":[\"x\"],\"label\":[\"$P\"]}"; filtered POST /images/prune "{\"label\":[\"$P\"]}"
