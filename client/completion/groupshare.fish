# SPDX-License-Identifier: PostgreSQL
# fish completion for groupshare

complete -c groupshare -f
complete -c groupshare -l json -d 'Print JSON'
complete -c groupshare -s q -l quiet -d 'No progress, no remarks'
complete -c groupshare -l home -x -a '(__fish_complete_directories)' -d 'Directory of this terminal'
complete -c groupshare -l url -x -d 'Gateway'
complete -c groupshare -l ca -r -F -d 'Certificate to trust'
complete -c groupshare -s h -l help -d 'Help'
complete -c groupshare -l version -d 'Version'

for command in \
        'enroll:Make this a terminal' 'connect:Prove who you are' 'whoami:Show the identity' \
        'groups:List groups, or members and shares' 'search:Find groups by name' 'create:Create a group' \
        'set:Change a group' 'join:Ask to become a member' 'leave:Leave a group' \
        'dissolve:End a group' 'invite:Invite somebody' 'remove:Remove a member' \
        'ban:Ban a member' 'unban:Lift a ban' 'promote:Make an administrator' 'demote:Make a plain member' \
        'inquiries:List inquiries' 'allow:Let in' 'refuse:Refuse' 'cancel:Withdraw' 'put:Share files' \
        'get:Fetch shares' 'ls:List what you share' 'show:Change who sees a share' 'rm:Stop sharing' 'watch:Print what happens' 'help:Explain'
    set -l parts (string split -m 1 : $command)
    complete -c groupshare -n __fish_use_subcommand -a $parts[1] -d $parts[2]
    complete -c groupshare -n '__fish_seen_subcommand_from help' -a $parts[1] -d $parts[2]
end

complete -c groupshare -n '__fish_seen_subcommand_from create set' -l join -x -a 'anyone listed confirm' -d 'Who gets in'
complete -c groupshare -n '__fish_seen_subcommand_from create set' -l list -x -d 'May join'
complete -c groupshare -n '__fish_seen_subcommand_from create set' -l admin -x -d 'Administrator'
complete -c groupshare -n '__fish_seen_subcommand_from create set' -l listing -x -a 'listed exact hidden' -d 'Who finds it'
complete -c groupshare -n '__fish_seen_subcommand_from create set' -l list-add -x -d 'May join too'
complete -c groupshare -n '__fish_seen_subcommand_from create set' -l list-remove -x -d 'May not join'
complete -c groupshare -n '__fish_seen_subcommand_from create set' -l description -x -d 'What it is about'
complete -c groupshare -n '__fish_seen_subcommand_from create set' -l max-members -x -d 'Room'
complete -c groupshare -n '__fish_seen_subcommand_from set' -l name -x -d 'Another name'
complete -c groupshare -n '__fish_seen_subcommand_from invite' -l admin -d 'As an administrator'
complete -c groupshare -n '__fish_seen_subcommand_from show' -l all -d 'All groups'
complete -c groupshare -n '__fish_seen_subcommand_from show' -l group -x -d 'Only this group'
complete -c groupshare -n '__fish_seen_subcommand_from groups' -l group -x -d 'One group'
complete -c groupshare -n '__fish_seen_subcommand_from search' -l prefix -d 'Begins with'
complete -c groupshare -n '__fish_seen_subcommand_from search' -l exact -d 'Is'
complete -c groupshare -n '__fish_seen_subcommand_from search' -l part -d 'Contains'
complete -c groupshare -n '__fish_seen_subcommand_from search' -l all -d 'All there are'
complete -c groupshare -n '__fish_seen_subcommand_from put' -F
complete -c groupshare -n '__fish_seen_subcommand_from put' -l as -x -d 'Name of the share'
complete -c groupshare -n '__fish_seen_subcommand_from put' -l group -x -d 'Only for this group'
complete -c groupshare -n '__fish_seen_subcommand_from put' -l paths -x -d 'Names from paths, with this for a slash'
complete -c groupshare -n '__fish_seen_subcommand_from put' -l size -x -d 'Bytes of standard input'
complete -c groupshare -n '__fish_seen_subcommand_from get' -l all -d 'All of the owner'
complete -c groupshare -n '__fish_seen_subcommand_from get' -l group -x -d 'Only of this group'
complete -c groupshare -n '__fish_seen_subcommand_from get' -l parallel -x -d 'Connections at a time'
complete -c groupshare -n '__fish_seen_subcommand_from get' -l share -x -d 'By id'
complete -c groupshare -n '__fish_seen_subcommand_from get' -s o -l output -r -F -d 'File or directory'
complete -c groupshare -n '__fish_seen_subcommand_from get' -s f -l force -d 'Replace'
complete -c groupshare -n '__fish_seen_subcommand_from watch' -l after -x -d 'Cursor'
complete -c groupshare -n '__fish_seen_subcommand_from watch' -l once -d 'Do not wait'
complete -c groupshare -n '__fish_seen_subcommand_from watch' -l exec -x -d 'Run for each event'
