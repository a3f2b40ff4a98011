"""What `helm test` runs: post one request and look at the answer. Needs nothing but Python."""

import base64
import json
import os
import sys
import urllib.error
import urllib.request

service, key = os.environ["SERVICE"], os.environ.get("KEY", "").strip()
# As many steps as the shipped policy strict asks for, should it be the floor.
wanted = {"prompt": os.environ["PROMPT"], "num_images": 1, "num_inference_steps": 10, "guidance_scale": 5}
headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
request = urllib.request.Request(f"{service}/generate", json.dumps(wanted).encode(), headers)
try:
    with urllib.request.urlopen(request, timeout=600) as answer:
        status, content = answer.status, json.load(answer)
except urllib.error.HTTPError as error:
    status, content = error.code, json.load(error)

if os.environ["EXPECTED"] == "refusal":
    if (status, content.get("error", {}).get("code")) != (401, "missing_key"):
        sys.exit(
            f"Who shows no key should be refused with 401 missing_key. The answer is {status}: {content!r:.2000}"
        )
    print("The service asks for a key. Set helmTest.existingSecret to have a picture made.")
elif status != 200:
    sys.exit(f"{status}: {content!r:.2000}")
else:
    (image,) = content["images"]
    if not base64.b64decode(image["b64_json"] or "").startswith(b"\x89PNG"):
        sys.exit(f"This is no picture: {image!r:.2000}")
    print(f"A picture was made, with {len(image['applied'])} vectors: {image['applied']}")
