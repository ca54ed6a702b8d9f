/** `beeline completion`: what shells need to complete Beeline's commands. */

import { Argument, Command } from 'commander';

import { completionScript, type Shell, SHELLS, withExamples } from '../../usage/index.js';
import { print } from '../terminal/print.js';

export function completionCommand(): Command {
  const completion = new Command('completion')
    .summary('print what a shell needs to complete commands')
    .description(
      'Print the script by which a shell completes commands, options and their values, file names, and the services, real ' +
        'servers and instances that there are at the moment. Those are asked of the daemon, which answers root alone.',
    )
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .action((shell: Shell) => {
      print(completionScript(shell));
    });
  return withExamples(
    completion,
    ['source <(beeline completion bash)', 'try it in bash, in this shell alone'],
    ['beeline completion bash > /usr/share/bash-completion/completions/beeline', 'install it for bash'],
    ['beeline completion zsh > /usr/local/share/zsh/site-functions/_beeline', 'install it for zsh'],
    ['beeline completion fish > /etc/fish/completions/beeline.fish', 'install it for fish'],
  );
}
