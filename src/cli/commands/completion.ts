/** `beeline completion`: prints a shell's completion script. */

import { Argument, Command } from 'commander';

import { completionScript, type Shell, SHELLS, withExamples } from '../../usage/index.js';
import { print } from '../terminal/print.js';

export function completionCommand(): Command {
  const completion = new Command('completion')
    .summary('print the completion script of a shell')
    .description(
      'Print the script by which a shell completes commands, options, file names, services, real servers and instances. ' +
        'Services and real servers come from the daemon, which answers only root.',
    )
    .addArgument(new Argument('<shell>', 'shell to print the script for').choices(SHELLS))
    .action((shell: Shell) => {
      print(completionScript(shell));
    });
  return withExamples(
    completion,
    ['source <(beeline completion bash)', 'load it into this bash'],
    ['beeline completion bash > /usr/share/bash-completion/completions/beeline', 'install it for bash'],
    ['beeline completion zsh > /usr/local/share/zsh/site-functions/_beeline', 'install it for zsh'],
    ['beeline completion fish > /etc/fish/completions/beeline.fish', 'install it for fish'],
  );
}
