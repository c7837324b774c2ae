"""`python -m chainrule` is the command line program, where its folder is not on the path."""

from chainrule.app.main import main

if __name__ == "__main__":
    main()
