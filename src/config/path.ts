/** Where the configuration file is when nobody says. */

/** Where packages and the systemd unit put it. */
export const DEFAULT_CONFIG_PATH = '/etc/beeline/beeline.yaml';
