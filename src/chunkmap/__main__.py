"""`python -m chunkmap`: the command line, where its program is not on the path."""

from chunkmap.frontends.command_line import main

if __name__ == "__main__":
    main()
