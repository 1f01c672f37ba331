"""`python -m picojoule` is `pj`."""

from picojoule.commands import main

if __name__ == "__main__":
    main()
