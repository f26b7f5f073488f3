from daskfleet.commands.app import main

main()
