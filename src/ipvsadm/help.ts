/** ipvsadm's help and version. */

/** Byte for byte that of ipvsadm 1.31: programs read it. */
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
  --edit-service    -E        change a virtual service; omitted options return to their defaults
  --delete-service  -D        delete a virtual service
  --clear           -C        delete all virtual services
  --restore         -R        read commands from standard input
  --save            -S        print commands that recreate the services
  --add-server      -a        add a real server
  --edit-server     -e        change a real server
  --delete-server   -d        delete a real server
  --list            -L|-l     list the services; the default without a command
  --zero            -Z        set the statistics of a service, or of all, to zero
  --set tcp tcpfin udp        set timeouts, in seconds; 0 leaves a timeout unchanged
  --version         -v        print the version of ipvsadm that Beeline follows
  --help            -h        print this help

Virtual services:
  --tcp-service     -t host:port      an IPv6 address in brackets: [fd00::100]:80
  --udp-service     -u host:port
  --fwmark-service  -f mark [-6]      packets that "beeline mark" gives this mark

Options of virtual services:
  --scheduler       -s scheduler      rr wrr lc wlc sed nq sh mh dh fo ovf lblc lblcr twos, or Beeline's own maglev;
                                      default: wlc
  --persistent      -p [timeout]      keep a client at its real server for this many seconds; default: 360
  --netmask         -M mask           ... and all clients of its network: 255.255.255.0, or 64 for IPv6
  --ops             -o                UDP: schedule each packet for itself
  --sched-flags     -b flags          sh-fallback,sh-port or mh-fallback,mh-port

Options of real servers:
  --real-server     -r host           address of the real server; it has the port of the service
  --gatewaying      -g                direct routing: the default, and the only method
  --weight          -w weight         default: 1; 0: give it no new flows
  --u-threshold     -x upper          give it no new flows while it has this many
  --l-threshold     -y lower          ... until it has fewer than this

Options of -L:
  --numeric         -n                print addresses and ports, not names
  --connection      -c                list flows
  --stats, --rate                     print statistics, or their rates per second
  --exact           -X                ... in full
  --thresholds                        print thresholds
  --persistent-conn                   print how many clients persistence keeps at each real server
  --timeout                           print timeouts
  --daemon                            print nothing: Beeline has no synchronisation daemons
  --nosort                            list in the order of IPVS's table

Not in Beeline: -i, -m, --pe, --sctp-service. --start-daemon and --stop-daemon do nothing.
`;
