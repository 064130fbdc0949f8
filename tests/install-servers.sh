#!/bin/sh
# Installs the real servers the tests talk to. Does nothing where they are there; starts no service.
set -eu
packages="openssh-server nginx-light bind9 chrony fping prometheus-blackbox-exporter
prometheus-node-exporter monitoring-plugins-basic iproute2 iperf3 iputils-ping procps socat
busybox cron cups-daemon cups-ipp-utils dbus kamailio kamailio-tls-modules libpcsclite1 openssl pcscd rpm sip-tester snmp snmpd sudo
vsmartcard-vpcd
activemq libjettison-java libsqliteodbc libxstream-java mariadb-server mosquitto odbc-mariadb odbc-postgresql
postgresql rabbitmq-server redis-server
dmidecode openipmi smartmontools
default-jdk-headless etcd-server haproxy ldap-utils libjolokia-core-java libtomcat9-java memcached slapd zookeeper
fonts-noto-cjk libpango-1.0-0 libpangoft2-1.0-0
prometheus victoria-metrics
dovecot-imapd libwrap0 proftpd-core proftpd-mod-crypto"

missing=""
for package in $packages; do
    [ "$package" = nginx-light ] && command -v nginx >/dev/null 2>&1 && continue
    [ -x /usr/sbin/nginx ] && [ "$package" = nginx-light ] && continue
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
# vsftpd can't be installed beside ProFTPD: it is only unpacked, where root runs the tests.
unpacked=/opt/muster-tests
[ -z "$missing" ] && { [ -x "$unpacked/usr/sbin/vsftpd" ] || [ "$(id -u)" != 0 ]; } && exit 0

if [ "$(id -u)" != 0 ]; then
    echo "the tests need these Debian packages:$missing" >&2
    echo "install them as root: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086
apt-get -qq install --no-install-recommends -y $missing >/dev/null

if [ ! -x "$unpacked/usr/sbin/vsftpd" ]; then
    download=$(mktemp -d)
    chmod 755 "$download"
    (cd "$download" && apt-get -qq download vsftpd && dpkg -x vsftpd_*.deb "$unpacked")
    rm -r "$download"
fi
