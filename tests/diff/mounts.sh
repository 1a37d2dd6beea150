Mounts of every kind, volumes, volumes-from, tmpfs, image mounts.

### x-mount/bad-options
for m in '' type=bind type=bind,src=/tmp type=nosuch,dst=/x dst=/x type=bind,dst=/x type=volume src=a,dst=b type=bind,src=rel,dst=/x type=bind,src=/nosuch-x,dst=/x type=tmpfs,src=/a,dst=/x type=volume,dst=/ type=bind,src=/tmp,dst=/x,foo=1 type=bind,src=/tmp,dst=/x,foo type=bind,src=/tmp,dst=/x,ro=maybe ro type=tmpfs,dst=/x,tmpfs-size=abc type=tmpfs,dst=/x,tmpfs-mode=9 type=volume,dst=/x,bind-propagation=rshared type=bind,src=/tmp,dst=/x,volume-nocopy; do echo "== $m"; docker create --label $P --mount "$m" bb > o; echo rc=$?; done 2>&1
### x-mount/propagation
for p in private rprivate shared rshared slave rslave bad; do mkdir -p s; docker run --rm --mount type=bind,src=$D/s,dst=/x,bind-propagation=$p bb sh -c 'grep " /x " /proc/self/mountinfo | cut -d" " -f6- | grep -o -e "shared:" -e "master:"'; echo "rc=$? $p"; done 2>&1
### x-mount/propagation-inspect
mkdir s; docker create --name $P --mount type=bind,src=$D/s,dst=/x,bind-propagation=rslave,ro -v $D/s:/z:ro,z bb > id; docker inspect -f '{{json .Mounts}}' $P; docker inspect -f '{{json .HostConfig.Binds}} {{json .HostConfig.Mounts}}' $P
### x-mount/readonly-forms
mkdir s; for o in readonly ro readonly=true ro=1 readonly=false ro=0; do docker run --rm --mount type=bind,src=$D/s,dst=/x,$o bb touch /x/f; echo "rc=$? $o"; done 2>&1
### x-mount/recursive-readonly
mkdir s; for o in bind-recursive=enabled bind-recursive=disabled bind-recursive=writable bind-recursive=readonly ro,bind-recursive=writable ro,bind-recursive=readonly,bind-propagation=rprivate ro,bind-recursive=readonly bind-recursive=bad bind-nonrecursive bind-nonrecursive=true; do docker run --rm --mount type=bind,src=$D/s,dst=/x,$o bb sh -c 'touch /x/f && echo w'; echo "rc=$? $o"; done 2>&1
### x-mount/bind-file-and-single
echo hi > f; docker run --rm -v $D/f:/etc/f bb cat /etc/f; docker run --rm --mount type=bind,src=$D/f,dst=/etc/f2,ro bb sh -c 'cat /etc/f2; echo x > /etc/f2'; echo rc=$?; docker run --rm -v $D/f:/tmp bb true; echo rc=$?; docker run --rm -v $D:/etc/passwd bb true; echo rc=$?
### x-mount/bind-creates-source
docker run --rm -v $D/new/deep:/x bb touch /x/f; ls new/deep; stat -c '%u %a' new; docker run --rm --mount type=bind,src=$D/new2,dst=/x bb true; echo rc=$?; ls -d new2; docker run --rm --mount type=bind,src=$D/new3,dst=/x,bind-create-mountpoint bb true 2>&1 | head -1; docker run --rm --mount type=bind,src=$D/new3,dst=/x,bind-create-src=true bb true; echo rc=$?
### x-mount/v-forms
for v in /x:/y:bad /x:y a:b x : :/x /x: /x:/y:ro,rw /x:/y:ro,z,Z "$P-n:/x:nocopy" /x:/y:nocopy ./rel:/x a/b:/x "$P-n:/x:rslave" /x/..:/y /etc:/: '' a "$P-n:/x:ro:z" 'A B:/x' /x:/y:,; do echo "== $v"; docker create --label $P -v "$v" bb > o; echo rc=$?; done 2>&1
### x-mount/duplicate
docker create --label $P -v /a -v /a bb > o; echo rc=$?; docker create --label $P -v $D:/a -v $P-v:/a bb; echo rc=$?; docker create --label $P --tmpfs /a -v $P-v:/a bb; echo rc=$?; docker create --label $P --mount type=tmpfs,dst=/a --mount type=volume,dst=/a/ bb; echo rc=$?; docker create --label $P -v $D:/a --mount type=tmpfs,dst=/a bb; echo rc=$?
### x-mount/order-nested
mkdir s; docker run --rm -v $P-v:/a/b/c -v $D/s:/a -v /a/b bb sh -c 'grep -o " /a[^ ]*" /proc/mounts'; docker run --rm -v $D/s:/p/q --tmpfs /p bb sh -c 'grep -o " /p[^ ]*" /proc/mounts'
### x-mount/over-special
mkdir s; for t in /proc /sys /dev /dev/shm /etc /proc/1 /etc/hosts /run; do docker run --rm -v $D/s:$t bb true; echo "rc=$? $t"; done 2>&1
### x-mount/dev-shm-tmpfs
docker run --rm --tmpfs /dev/shm:size=1m,mode=700 bb sh -c 'grep " /dev/shm " /proc/mounts; stat -c %a /dev/shm'; docker run --rm --mount type=tmpfs,dst=/dev/shm,tmpfs-size=2m bb sh -c 'grep -o "size=[0-9]*k" /proc/mounts | tail -1'
### x-mount/through-links
docker run --rm --tmpfs /links/dir bb sh -c 'grep -o " /many/a [^ ]*\| /links[^ ]*" /proc/mounts'; docker run --rm -v $P-v:/links/up/x bb sh -c 'grep -c x /proc/mounts' > o 2>&1; echo rc=$?
### x-mount/tmpfs-options
for o in '' size=1m mode=700 size=1m,mode=1777,uid=1000,gid=29 exec ro noatime nosuchopt size=abc rw,noexec,nosuid,nodev nr_inodes=10 size=50%; do echo "== $o"; docker run --rm --tmpfs "/t:$o" bb sh -c 'grep " /t " /proc/mounts; stat -c "%a %u %g" /t'; done 2>&1
### x-mount/tmpfs-mount-options
docker run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1048576,tmpfs-mode=700 bb sh -c 'grep " /t " /proc/mounts; stat -c %a /t'; docker run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m,ro bb sh -c 'grep " /t " /proc/mounts'; docker run --rm --mount type=tmpfs,dst=/t,tmpfs-mode=1770 bb stat -c %a /t; docker run --rm --mount type=tmpfs,dst=/t bb stat -c %a /t
### x-mount/tmpfs-copyup-none
docker run --rm --tmpfs /many bb sh -c 'ls /many | wc -l; stat -c "%a %u" /many'; docker run --rm --tmpfs /data bb stat -c %a /data; docker run --rm --mount type=tmpfs,dst=/data bb stat -c %a /data
### x-mount/tmpfs-inspect
docker create --name $P --tmpfs /a:size=1m --tmpfs /b --mount type=tmpfs,dst=/c,tmpfs-size=1k,tmpfs-mode=755 bb > id; docker inspect -f '{{json .HostConfig.Tmpfs}} {{json .HostConfig.Mounts}} {{json .Mounts}}' $P
### x-mount/tmpfs-options-api
for o in '"Options":[["noexec"]]' '"Options":[["size","1m"]]' '"Options":[["uid","5"]]' '"Options":[[]]' '"SizeBytes":-1' '"Mode":4096' '"Options":[["ro"],["exec"]]'; do body POST "/containers/create?name=$P" "{\"Image\":\"bb\",\"Cmd\":[\"grep\",\" /t \",\"/proc/mounts\"],\"HostConfig\":{\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"TmpfsOptions\":{$o}}]}}"; docker start -a $P; docker rm $P > o; done 2>&1
### x-mount/api-odd
for m in '{"Type":"bind","Target":"/x"}' '{"Type":"bind","Source":"/tmp","Target":"rel"}' '{"Type":"volume","Source":"/abs","Target":"/x"}' '{"Type":"volume","Source":"a b","Target":"/x"}' '{"Target":"/x"}' '{"Type":"tmpfs","Source":"x","Target":"/x"}' '{"Type":"tmpfs","Target":"/"}' '{"Type":"npipe","Source":"a","Target":"/x"}' '{"Type":"cluster","Target":"/x"}' '{"Type":"bind","Source":"/tmp","Target":"/x","VolumeOptions":{}}' '{"Type":"volume","Target":"/x","BindOptions":{}}' '{"Type":"bind","Source":"/tmp","Target":"/x","BindOptions":{"Propagation":"odd"}}' '{"Type":"bind","Source":"/tmp","Target":"/x","Consistency":"odd"}' '{"Type":"bind","Source":"rel","Target":"/x"}' '{"Type":"tmpfs","Target":"/x","BindOptions":{}}' '{"Type":"image","Target":"/x"}' '{"Type":"image","Source":"nosuch","Target":"/x"}' '{"Type":"volume","Source":"x","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"nosuchdrv"}}}'; do echo "== $m"; body POST "/containers/create" "{\"Image\":\"bb\",\"Labels\":{\"$P\":\"\"},\"HostConfig\":{\"Mounts\":[$m]}}"; done
### x-mount/volumes-config-api
for v in '{"/x":{}}' '{"rel":{}}' '{"/a:/b":{}}' '["/x"]' '{"/x/":{},"/x":{}}'; do echo "== $v"; body POST "/containers/create" "{\"Image\":\"bb\",\"Labels\":{\"$P\":\"\"},\"Volumes\":$v}"; done
### x-mount/volume-nocopy
docker run --rm -v $P-a:/many bb ls /many; docker run --rm -v $P-b:/many:nocopy bb ls /many; docker run --rm --mount type=volume,src=$P-c,dst=/many,volume-nocopy bb ls /many; docker run --rm --mount type=volume,src=$P-d,dst=/many,volume-nocopy=false bb ls /many; docker run --rm -v $P-b:/many bb ls /many
### x-mount/volume-copy-owner-mode
docker run --rm -v $P-a:/data bb stat -c '%a %u %g' /data; docker run --rm -v $P-b:/home/app bb stat -c '%a %u' /home/app; docker run --rm -v $P-c:/newdir bb stat -c '%a %u' /newdir; docker run --rm -u app -v $P-d:/fresh bb sh -c 'touch /fresh/x; stat -c "%a %u" /fresh'
### x-mount/volume-copy-into-nonempty
docker run --rm -v $P-a:/v bb touch /v/mine; docker run --rm -v $P-a:/many bb ls /many; docker run --rm -v $P-b:/links bb ls /links; docker run --rm -v $P-b:/many bb ls /many
### x-mount/volume-over-file
docker run --rm -v $P-a:/many/1 bb true 2> err; echo rc=$?; docker run --rm -v $P-b:/links/dir bb ls /links/dir; docker run --rm -v $P-c:/links/file bb true 2> err; echo rc=$?
### x-mount/volume-ro
docker run --rm -v $P-a:/many:ro bb sh -c 'ls /many; touch /many/x'; echo rc=$?; docker run --rm --mount type=volume,src=$P-b,dst=/many,ro bb sh -c 'ls /many; touch /many/x'; echo rc=$?
### x-mount/volume-subpath
docker run --rm -v $P-a:/many bb true; docker run --rm --mount type=volume,src=$P-a,dst=/x,volume-subpath=a bb ls /x; docker run --rm --mount type=volume,src=$P-a,dst=/x,volume-subpath=a/3 bb cat /x; for s in nosuch ../x /abs a/../.. .; do docker run --rm --mount type=volume,src=$P-a,dst=/x,volume-subpath=$s bb ls /x; echo "rc=$? $s"; done 2>&1
### x-mount/volume-subpath-link
docker run --rm -v $P-a:/v bb sh -c 'mkdir /v/d; echo in > /v/d/f; ln -s d /v/rel; ln -s /d /v/abs; ln -s /etc /v/out; ln -s ../.. /v/up'; for s in rel out up; do docker run --rm --mount type=volume,src=$P-a,dst=/x,volume-subpath=$s bb ls /x; echo "rc=$? $s"; done 2>&1
### x-mount/volume-labels-driver
docker run --rm --mount type=volume,src=$P-a,dst=/x,volume-label=a=b,volume-label=c,volume-driver=local bb true; docker volume inspect -f '{{json .Labels}} {{.Driver}} {{json .Options}}' $P-a
### x-mount/volume-driver-option
docker run --rm --volume-driver local -v $P-a:/x bb true; docker volume inspect -f '{{.Driver}}' $P-a; docker create --name $P --volume-driver local -v $P-a:/x bb > id; docker inspect -f '{{.HostConfig.VolumeDriver}}' $P
### x-mount/anonymous
docker create --name $P -v /a --mount type=volume,dst=/b bb:vol > id; docker inspect -f '{{range .Mounts}}{{.Type}} {{len .Name}} {{.Destination}} {{.Driver}} {{.Mode}} {{.RW}} {{.Propagation}}|{{end}}' $P | tr '|' '\n' | sort; docker volume inspect -f '{{json .Labels}}' $(docker inspect -f '{{range .Mounts}}{{.Name}} {{end}}' $P)
### x-mount/image-volume-override
docker run --rm -v $P-v:/data bb:vol sh -c 'cat /data/seed; grep -o " /data \| /vol2 " /proc/mounts'; docker run --rm --tmpfs /data bb:vol sh -c 'ls /data; grep -c " /data tmpfs" /proc/mounts'; docker run --rm -v $D:/data/ bb:vol sh -c 'grep -c " /data " /proc/mounts'
### x-mount/volumes-from
docker create --name $P-a -v $P-v:/v -v $D:/b:ro -v /anon --tmpfs /t bb > id; docker run --rm --volumes-from $P-a bb sh -c 'grep -o " /v \| /b \| /anon \| /t " /proc/mounts | sort; touch /v/x; touch /b/x'; docker run --rm --volumes-from $P-a:ro bb touch /v/y; echo rc=$?; docker run --rm --volumes-from $P-a:rw bb touch /v/z; echo rc=$?; docker create --volumes-from $P-a:bad bb; echo rc=$?; docker create --volumes-from nosuch-$P bb; echo rc=$?; docker create --volumes-from '' bb; echo rc=$?
### x-mount/volumes-from-override
docker create --name $P-a -v $P-v1:/v -v $P-v2:/w bb > id; docker create --name $P -v $P-v3:/v --volumes-from $P-a bb > id; docker inspect -f '{{range .Mounts}}{{.Name}} {{.Destination}};{{end}}' $P | tr ';' '\n' | sort
### x-mount/volumes-from-chain
docker create --name $P-a bb:vol > id; docker create --name $P-b --volumes-from $P-a bb > id; docker create --name $P-c --volumes-from $P-b -v /own bb > id; docker inspect -f '{{range .Mounts}}{{.Destination}} {{end}}' $P-c | tr ' ' '\n' | sort; docker inspect -f '{{json .HostConfig.VolumesFrom}}' $P-c; docker rm -v $P-a; docker start -a $P-c; echo rc=$?
### x-mount/volumes-from-mounts
docker create --name $P-a --mount type=volume,src=$P-v,dst=/v,volume-nocopy --mount type=bind,src=$D,dst=/b bb > id; docker create --name $P-b --volumes-from $P-a bb > id; docker inspect -f '{{json .Mounts}}' $P-b
### x-mount/image
{ docker run --rm --mount type=image,src=bb,dst=/i bb sh -c "exec 2>&1; cat /i/many/1; ls /i | wc -l; touch /i/x"; echo rc=$?; docker run --rm --mount type=image,dst=/i bb true; echo rc=$?; } 2>&1 | grep -v experimental
### x-mount/image-inspect-and-use
{ docker tag bb $P-i; docker create --name $P --mount type=image,src=$P-i,dst=/i bb > id; docker inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}} {{.Mode}}{{end}} {{json .HostConfig.Mounts}}' $P; docker run --name $P-s bb sh -c "echo $P > /z"; docker commit $P-s $P-j > id; docker rm $P-s > o; docker create --name $P-2 --mount type=image,src=$P-j,dst=/i bb > id; docker rmi $P-j > o; echo rc=$?; docker start -a $P-2; echo rc=$?; } 2>&1 | grep -v experimental
### x-mount/read-only-root
docker run --rm --read-only bb sh -c 'touch /x; touch /tmp/x; touch /dev/x; touch /dev/shm/x && echo shm; touch /etc/hosts; echo a >> /etc/hosts && echo hosts'; docker run --rm --read-only --tmpfs /tmp -v $P-v:/v bb sh -c 'touch /tmp/x /v/x && echo ok'; docker run --rm --read-only -w /new bb pwd; echo rc=$?; docker run --rm --read-only -v $P-v:/notthere bb ls -d /notthere; echo rc=$?
### x-mount/shm-size
for s in 1m 64k 0 -1 abc 1.5g 1k 4096; do docker run --rm --shm-size $s bb sh -c 'df -k /dev/shm | tail -1 | awk "{print \$2}"'; echo "rc=$? $s"; done 2>&1
### x-mount/volume-of-file-bind-in-volume
echo f > f; docker run --rm -v $P-v:/v -v $D/f:/v/f bb cat /v/f; docker run --rm -v $P-v:/v bb sh -c 'ls -la /v/f | cut -c1-10; cat /v/f'
### x-mount/same-volume-twice
docker run --rm -v $P-v:/a -v $P-v:/b:ro bb sh -c 'touch /a/x; ls /b; touch /b/y'; echo rc=$?
### x-mount/long-and-odd-names
docker run --rm -v $P-v:"/a b" -v $D:/ü:ro bb sh -c 'ls -d "/a b" /ü; grep -c "a.040b" /proc/mounts'; mkdir 'd d'; docker run --rm -v "$D/d d":/x bb touch /x/f; ls 'd d'; docker run --rm --mount "type=bind,src=$D/d d,dst=/x y" bb ls '/x y'; docker run --rm --mount "\"type=bind\",\"src=$D/d d\",dst=/q" bb ls /q
### x-mount/bind-symlink-source
mkdir s; echo x > s/f; ln -s s l; ln -s nosuch b; docker run --rm -v $D/l:/x bb ls /x; docker run --rm -v $D/b:/x bb ls /x; echo rc=$?; docker run --rm --mount type=bind,src=$D/b,dst=/x bb true; echo rc=$?
### x-mount/socket-and-fifo
mkfifo p; docker run --rm -v $D/p:/p bb sh -c 'test -p /p && echo fifo'; docker run --rm -v /dev/null:/n bb sh -c 'test -c /n && echo x > /n && echo dev'; echo rc=$?
### x-mount/removed-source
mkdir s; docker create --name $P --mount type=bind,src=$D/s,dst=/x bb true > id; rmdir s; docker start $P; echo rc=$?; docker create --name $P-2 -v $D/s:/x bb true > id; ls -d s; docker start $P-2; echo rc=$?; ls -d s
### x-volume/create-forms
for n in a . ../x 'a b' ü _a -a $P.x_y-z "$P/x"; do echo "== $n"; docker volume create --label $P -- "$n" > o; echo rc=$?; done 2>&1; docker volume rm a > o 2>&1; docker volume create --label a=b --label c --label $P --name $P-n; docker volume create x y; echo rc=$?
### x-volume/create-existing
docker volume create --label a=1 $P; docker volume create --label a=2 $P; docker volume inspect -f '{{json .Labels}}' $P; docker volume create -d nosuchdriver:x $P; echo rc=$?
### x-volume/opts-bad
for o in foo=bar type=tmpfs device=/x o=size=1m ; do docker volume create --label $P -o $o $P-o; echo "rc=$? $o"; docker volume rm $P-o > o 2>&1; done 2>&1 | sed "s/^$P-o$/NAME/"
### x-volume/ls-formats
docker volume create --label k=v $P-a > o; docker volume create $P-b > o; docker volume ls --filter name=$P; docker volume ls -q --filter name=$P; docker volume ls --filter name=$P --format '{{.Name}}|{{.Driver}}|{{.Scope}}|{{.Labels}}|{{.Links}}|{{.Size}}|{{.Availability}}|{{.Group}}|{{.Status}}|{{.Label "k"}}'; docker volume ls --filter name=$P --format json
### x-volume/ls-filter-forms
docker volume create --label k=v $P-a > o; docker volume create --label k=w $P-b > o; docker create --name $P -v $P-b:/x bb > id; for f in name=$P-a name=$P label=k label=k=v label!=k 'label=k= v' dangling=true dangling=false dangling=1 dangling=x driver=local driver=x scope=local nosuch=1; do echo "== $f"; docker volume ls -q --filter name=$P --filter $f; done 2>&1
### x-volume/ls-filter-multi
docker volume create --label k=v --label m $P-a > o; docker volume create --label k=w $P-b > o; docker volume ls -q --filter name=$P-a --filter name=$P-b; docker volume ls -q --filter name=$P --filter label=k --filter label=m; docker volume ls -q --filter name=$P --filter dangling=true --filter dangling=false; docker volume ls -q --filter "name=^$P-.\$"; docker volume ls -q --filter 'name=['
### x-volume/inspect
docker volume create $P > o; docker volume inspect $P nosuch-$P; echo rc=$?; docker volume inspect -f '{{.Nope}}' $P; echo rc=$?; docker inspect --type volume -f '{{.Name}}' $P; docker inspect -f '{{.Driver}}' $P
### x-volume/rm
docker volume create $P > o; docker create --name $P-c -v $P:/x bb > id; docker volume rm $P; echo rc=$?; docker volume rm -f $P; echo rc=$?; docker rm $P-c > o; docker volume rm $P $P; echo rc=$?; docker volume rm -f nosuch-$P; echo rc=$?; docker volume rm nosuch-$P; echo rc=$?
### x-volume/rm-in-use-by-many
docker create --name $P-1 -v $P:/x bb > id; docker volume rm $P; api DELETE /volumes/$P; api DELETE "/volumes/$P?force=1"; api DELETE /volumes/nosuch-$P; api DELETE "/volumes/nosuch-$P?force=1"
### x-volume/api-create
for b in '{}' '{"Name":"'$P'","Driver":"local","Labels":{"a":"b"}}' '{"Name":"a"}' '{"Name":"'$P'","DriverOpts":{"x":"y"}}' '{"Name":5}' 'x' '' '{"Driver":"nosuch","Name":"'$P-z'"}'; do [ "$b" = '{}' ] && b="{\"Labels\":{\"$P\":\"\"}}"; api POST /volumes/create "$b"; done
### x-volume/api-update
docker volume create $P > o; api PUT /volumes/$P '{}'; api PUT "/volumes/$P?version=1" '{"Spec":{}}'; api GET /volumes/$P
### x-volume/prune-labels [serial]
docker volume create --label k=$P $P-a > o; docker volume create --label z=$P $P-b > o; docker volume prune -f --filter label=k=$P; docker volume prune -f -a --filter label=k=$P; docker volume ls -q --filter name=$P; docker volume prune -f --filter nosuch=1; docker volume prune -f --filter label!=z=$P --filter label=z; docker volume prune -af --filter until=1h
### x-volume/prune-anonymous [serial]
v=$(docker volume create --label $P); docker volume prune -f --filter label=$P > o; grep -c . o; docker volume ls -q --filter label=$P | wc -l; filtered POST /volumes/prune "{\"label\":[\"$P\"],\"all\":[\"x\"]}"; filtered POST /volumes/prune "{\"label\":[\"$P\"],\"all\":[\"1\"]}"
### x-volume/content-persist
docker run --rm -v $P:/v bb sh -c 'echo 1 > /v/f; chown 5:6 /v/f; mkfifo /v/p; ln -s f /v/l'; docker run --rm -v $P:/v:ro bb sh -c 'cat /v/f; stat -c "%F %u %g" /v/f /v/p /v/l'
### x-volume/usage-df
docker volume create $P > o; docker system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}}{{"\n"}}{{end}}' | grep "^$P "; docker create --name $P-c -v $P:/x bb > id; docker system df -v | grep "^$P " | awk '{print $2}'
