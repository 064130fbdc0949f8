"""What the fragments print, by host; properties of all parsers are tested on these texts.

dpkg, apt, ps, sockets, limits and mounts follow what a Debian 12 prints, shortened. rpm, apk, dnf, systemd 219 and
252, ntpd, timesyncd, Kylin and UOS are written after the tools' documentation: no such host was at hand.
"""

# ruff: noqa: E501, W291 - lines are as long as the tools make them

from __future__ import annotations

from typing import Any

PARAMS: dict[str, dict[str, Any]] = {
    "certificate": {"path": "/etc/ssl/x.pem", "key": "/etc/ssl/x.key"},
    "command": {"command": ["/bin/true"], "pattern": "x"},
    "cron": {"pattern": "backup"},
    "file": {"path": "/etc/passwd", "sha256": True, "pattern": "root"},
    "group": {"group": "sudo"},
    "interface": {"interface": "eth0"},
    "limits": {"process": "nginx"},
    "log": {"path": "/var/log/syslog", "pattern": "error"},
    "mount": {"path": "/srv/data"},
    "os_release": {},
    "package": {"packages": ["bash", "openssl"]},
    "patch_age": {},
    "port": {"port": 22, "allowed": [22]},
    "process": {"name": "nginx"},
    "service": {"service": "nginx"},
    "sysctl": {"values": {"net.ipv4.ip_forward": 0, "kernel.pid_max": 4194304}},
    "time_sync": {},
    "user": {"user": "alice"},
}

DPKG = """manager=dpkg
bash\t5.2.15-2+b8\tii 
openssl\t3.0.17-1~deb12u2\thi 
status=1
end
"""
RPM = """manager=rpm
bash\t(none):5.1.8-6.oe2203sp1\tii
openssl\t1:1.1.1m-16.oe2203sp1\tii
status=0
# Added lock on Tue Nov 24 2026
openssl-1:1.1.1m-16.oe2203sp1.*
end
"""
APK = """manager=apk
bash-5.2.21-r0
status=1
alpine-base
bash=5.2.21-r0
busybox
end
"""
SYSTEMD_252 = """uptime=90061.50
manager=systemd
Result=success
NRestarts=2
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
ActiveEnterTimestamp=Tue 2026-11-24 06:47:00 UTC
ActiveEnterTimestampMonotonic=61500000
status=0
"""
SYSTEMD_219 = """uptime=5000.00
manager=systemd
Result=exit-code
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=static
ActiveEnterTimestamp=Tue 2026-11-24 06:47:00 UTC
ActiveEnterTimestampMonotonic=61500000
status=0
"""
SYSTEMD_NOT_FOUND = """uptime=5000.00
manager=systemd
Result=success
NRestarts=0
LoadState=not-found
ActiveState=inactive
SubState=dead
ActiveEnterTimestampMonotonic=0
status=0
"""
SYSTEMD_SILENT = "uptime=5000.00\nmanager=systemd\nstatus=1\n"
SYSV = "uptime=5000.00\nmanager=sysv\nstatus=0\nenabled=1\n"
OPENRC = "uptime=5000.00\nmanager=openrc\nstatus=3\nenabled=0\n"
SOCKETS = """@tcp
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   112        0 2 1 0 100 0 0 10 0
@tcp6
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3 1 0 100 0
   1: B80D0120000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4 1 0 100 0
@udp
  77: 00000000:007B 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5 2 0 0
@udp6
@ss
tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=700,fd=3))
tcp   LISTEN 0      244        127.0.0.1:5432      0.0.0.0:*    users:(("postgres",pid=800,fd=5))
tcp   LISTEN 0      100     [2001:db8::1]:8080           *:*    users:(("java",pid=900,fd=9),("java",pid=901,fd=9))
udp   UNCONN 0      0            0.0.0.0:123       0.0.0.0:*
@end
"""
PS = """@sid
  4242
@ps
      1       1  12345   90061    00:00:09 Ss   root                             systemd          /sbin/init splash
    700     700   5000    3600    00:01:12 Ss   root                             nginx            nginx: master process
    701     700   9000    3599 1-02:03:04 S    www-data                         nginx            nginx: worker process
    702     700      0    3599    00:00:00 Z    www-data                         nginx            [nginx] <defunct>
   4243    4242   1000       0    00:00:00 S    ops                              sh               sh -c grep nginx
@end
"""
LIMITS = """@700
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max processes             7823                 7823                 processes 
Max open files            65536                65536                files     
Max locked memory         unlimited            unlimited            bytes     
@701
Limit                     Soft Limit           Hard Limit           Units     
Max open files            1024                 524288               files     
Max nice priority         0                    0                    
more=0
end=2
"""
MOUNTS = """@mounts
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
40 21 8:17 / /srv/data rw,noatime shared:20 - xfs /dev/sdb1 rw,attr2
41 21 0:50 / /srv/my\\040data ro - nfs4 nas:/x rw,vers=4.2
42 40 8:33 / /srv/data rw,noatime shared:21 - xfs /dev/sdc1 ro,attr2
@size
4096 1000 400 300 500 100
@end
"""
ACCOUNT = """@account
now=1795564800
entry=alice:1001:1001:/home/alice:/bin/bash
groups=alice sudo adm
@status
alice P 10/04/2026 0 90 7 -1
@ageing
Last password change\t\t\t\t\t: Oct 04, 2026
Password expires\t\t\t\t\t: Jan 02, 2027
Account expires\t\t\t\t\t\t: Dec 31, 2026
@end
"""
CRONTAB = """@crontabs
@/etc/crontab
 # m h dom mon dow user\tcommand
 SHELL=/bin/sh
 17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly
@/etc/cron.d/backup
 @daily backup /usr/local/bin/backup --all
 */5 1-3 * jan,feb mon-fri ops /usr/local/bin/backup --quick
@end
"""
TIMER = """now=1795564800
LoadState=loaded
ActiveState=active
LastTriggerUSec=Tue 2026-11-24 06:47:00 UTC
NextElapseUSecRealtime=Wed 2026-11-25 06:12:33 UTC
Unit=apt-daily.service
"""
CHRONYC = """@chronyc
C0A80101,192.168.1.1,3,1795564700.123456789,-0.000012345,0.000004567,0.000034567,-12.345,0.001,0.123,0.012000000,0.004000000,64.2,Normal
@end
"""
NTPQ = """@ntpq
associd=0 status=0615 leap_none, sync_ntp, 1 event, clock_sync,
version="ntpd 4.2.8p15@1.3728-o Wed Sep 23 11:46:38 UTC 2020 (1)",
processor="x86_64", system="Linux/5.10.0", leap=00, stratum=3,
precision=-23, rootdelay=12.345, rootdisp=23.456, refid=192.168.1.1,
reftime=e9b5c3a0.12345678  Tue, Nov 24 2026 15:00:00.071,
clock=e9b5c3f0.9abcdef0  Tue, Nov 24 2026 15:01:20.604, peer=12345, tc=10,
mintc=3, offset=-1.500000, frequency=-12.345, sys_jitter=0.123456
@end
"""
TIMESYNC = """@timedatectl
NTP=yes
NTPSynchronized=yes
@timesync
       Server: 192.168.1.1 (ntp.example)
Poll interval: 34min 8s (min: 32s; max 34min 8s)
         Leap: normal
      Version: 4
      Stratum: 2
    Reference: C0A80101
    Precision: 1us (-25)
Root distance: 19.340ms (max: 5s)
       Offset: -1.234ms
        Delay: 12.345ms
@end
"""
APT = """@now
1795564800
@dpkg
@changed
1795478400
@upgraded
1794700800
@lists
1795521600
@pending
NOTE: This is only a simulation!
Inst base-files [12.4+deb12u11] (12.4+deb12u15 Debian:12.15/oldstable [amd64])
Inst libgcrypt20 [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64])
Conf base-files (12.4+deb12u15 Debian:12.15/oldstable [amd64])
ok
@restart
yes
@end
"""
DNF = """@now
1795564800
@rpm
@changed
1795478400
@lists
1795521600
@security
openEuler-SA-2026-1234 Important/Sec. openssl-1:1.1.1m-17.oe2203sp1.x86_64
openEuler-SA-2026-1235 Critical/Sec.  kernel-5.10.0-200.oe2203sp1.x86_64
ok
@restart
no
@end
"""
KYLIN = """@release
NAME="Kylin Linux Advanced Server"
VERSION="V10 (Lance)"
ID="kylin"
VERSION_ID="V10"
PRETTY_NAME="Kylin Linux Advanced Server V10 (Lance)"
@/etc/kylin-release
Kylin Linux Advanced Server release V10 (Lance)

@uname
Linux
4.19.90-52.22.v2207.ky10.aarch64
aarch64
@end
"""
UOS = """@release
ID=uos
NAME="uos"
VERSION_ID="20"
@/etc/os-version
[Version]
SystemName=UnionTech OS Server
MajorVersion=20
OsBuild=12038.100

@uname
Linux
4.19.0-amd64-desktop
x86_64
@end
"""
FILE = f"""now=1795564800
exists=1
stat=regular file|644|root|adm|1234|1795561200
sha256={"ab" * 32}  /etc/passwd
content=1
"""

INTERFACE = """@interface
exists=1
operstate=up
carrier=1
mtu=1500
address=02:fc:00:00:00:01
speed=1000
duplex=full
@addresses
2: eth0    inet 10.1.2.11/24 brd 10.1.2.255 scope global eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet6 fe80::fc:ff:fe00:1/64 scope link \\       valid_lft forever preferred_lft forever
@end
"""
TEXTS: dict[str, dict[str, str]] = {
    "cron": {"crontab": CRONTAB},
    "file": {"file": FILE},
    "group": {"getent": "entry=sudo:27:bob,alice\n"},
    "interface": {"sysfs": INTERFACE},
    "limits": {"kernel": LIMITS},
    "mount": {"linux": MOUNTS},
    "os_release": {"kylin": KYLIN, "uos": UOS},
    "package": {"dpkg": DPKG, "rpm": RPM, "apk": APK},
    "patch_age": {"apt": APT, "dnf": DNF},
    "port": {"linux": SOCKETS},
    "process": {"procps": PS},
    "service": {
        "252": SYSTEMD_252,
        "219": SYSTEMD_219,
        "not found": SYSTEMD_NOT_FOUND,
        "sysv": SYSV,
        "rc": OPENRC,
    },
    "sysctl": {"linux": "=0\n=4194304\nend\n"},
    "time_sync": {"chronyc": CHRONYC, "ntpq": NTPQ, "timesyncd": TIMESYNC},
    "user": {"shadow": ACCOUNT},
}
