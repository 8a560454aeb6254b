"""The entry point of ``python -m storectl``."""

from storectl.start import main

if __name__ == "__main__":
    main()
