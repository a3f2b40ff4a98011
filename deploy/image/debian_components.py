"""Adds Debian's packages to a bill of materials, and sees that the whole is valid CycloneDX.

python debian_components.py PYTHON.cdx.json DPKG-STATUS WHOLE.cdx.json
"""

import json
import sys
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import quote

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

source, status, target = map(Path, sys.argv[1:])
document = json.loads(source.read_text(encoding="utf-8"))
for stanza in status.read_text(encoding="utf-8").strip().split("\n\n"):
    package = HeaderParser().parsestr(stanza)
    if package["Status"] != "install ok installed":
        continue
    name, version, architecture = package["Package"], package["Version"], package["Architecture"]
    address = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}"
    component = {"type": "library", "bom-ref": address, "name": name, "version": version, "purl": address}
    document["components"].append(component)
text = json.dumps(document, indent=2, ensure_ascii=False)
problem = JsonStrictValidator(SchemaVersion.from_version(document["specVersion"])).validate_str(text)
if problem is not None:
    sys.exit(f"The bill of materials is not valid: {problem}")
target.write_text(text + "\n", encoding="utf-8")
