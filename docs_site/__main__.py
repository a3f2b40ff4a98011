"""`python -m docs_site`: build or serve the site, or write the tables of figures anew."""

import argparse
import sys

from docs_site.building import build, description, serve
from docs_site.errors import DocsError
from docs_site.figures import write_all


def main() -> None:
    """Run one of build, serve, figures."""
    parser = argparse.ArgumentParser(prog="python -m docs_site", description="The documentation's site.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build it into build/site; anything wrong is an error")
    serving = commands.add_parser("serve", help="serve it, and follow changes of docs/")
    serving.add_argument(
        "--address", default="localhost:8001", metavar="HOST:PORT", help="default: %(default)s"
    )
    commands.add_parser("figures", help="write the tables that come from benchmarks/results anew")
    chosen = parser.parse_args()
    try:
        if chosen.command == "figures":
            for page in write_all():
                print(f"{page}: written anew")
        elif chosen.command == "serve":
            serve(description(), chosen.address)
        else:
            print(f"The site is in {build(description())}.")
    except DocsError as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
