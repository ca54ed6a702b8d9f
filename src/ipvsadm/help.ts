/** What ipvsadm says of itself. */

/** Byte by byte what ipvsadm 1.31 says: programs read it. */
export const VERSION = 'ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n';

export const HELP = `ipvsadm's commands, carried out by Beeline
Usage:
  ipvsadm -A|E virtual-service [-s scheduler] [-p [timeout]] [-M netmask] [-o] [-b flags]
  ipvsadm -D virtual-service
  ipvsadm -C
  ipvsadm -R
  ipvsadm -S [-n]
  ipvsadm -a|e virtual-service -r server-address [-g] [-w weight] [-x upper] [-y lower]
  ipvsadm -d virtual-service -r server-address
  ipvsadm -L|l [virtual-service] [options]
  ipvsadm -Z [virtual-service]
  ipvsadm --set tcp tcpfin udp
  ipvsadm -h

Commands, in their long or short form:
  --add-service     -A        add a virtual service
  --edit-service    -E        change a virtual service; what is not said goes back to its default
  --delete-service  -D        delete a virtual service
  --clear           -C        delete all virtual services
  --restore         -R        read commands from standard input
  --save            -S        print the commands that make the services anew
  --add-server      -a        add a real server
  --edit-server     -e        change a real server
  --delete-server   -d        delete a real server
  --list            -L|-l     list the services; without any command too
  --zero            -Z        set the counters of a service, or of all, to zero
  --set tcp tcpfin udp        set timeouts, in seconds; 0 leaves one as it is
  --version         -v        print the version of ipvsadm that this stands for
  --help            -h        print this

Virtual services:
  --tcp-service     -t host:port      an IPv6 address in brackets: [fd00::100]:80
  --udp-service     -u host:port
  --fwmark-service  -f mark [-6]      packets that "beeline mark" gives this mark

Options of virtual services:
  --scheduler       -s scheduler      rr wrr lc wlc sed nq sh mh dh fo ovf lblc lblcr twos, or Beeline's own maglev;
                                      default: wlc
  --persistent      -p [timeout]      a client stays at its real server, for so many seconds; default: 360
  --netmask         -M mask           ... and so do all clients of its network: 255.255.255.0, or 64 for IPv6
  --ops             -o                UDP: schedule each packet for itself
  --sched-flags     -b flags          sh-fallback,sh-port or mh-fallback,mh-port

Options of real servers:
  --real-server     -r host           its own address; the port is the service's
  --gatewaying      -g                direct routing, which is the default, and all there is
  --weight          -w weight         default: 1; 0 takes no new flows
  --u-threshold     -x upper          takes no new flows while it has so many
  --l-threshold     -y lower          ... until it has less than so many

Options of -L:
  --numeric         -n                print addresses and ports, not names
  --connection      -c                list flows
  --stats, --rate                     print counters, or what they grow by each second
  --exact           -X                ... in full
  --thresholds                        print thresholds
  --persistent-conn                   print how many clients persistence keeps
  --timeout                           print timeouts
  --daemon                            print nothing: there are no synchronisation daemons
  --nosort                            in IPVS's own order, which is its table's

Not in Beeline: -i, -m, --pe, --sctp-service, --start-daemon, --stop-daemon.
`;
