"""Look at the price, run within a budget, mend what failed, and go on."""

from batchgen import Batch, ManifestError

rows = [
    {"id": "harbour", "prompt": "A harbour at dawn", "duration": 5, "resolution": "720p"},
    {"id": "market", "prompt": "[violation] A market at noon", "duration": 5, "resolution": "720p"},
]
try:
    plan = Batch(rows, batch="town.batch", emulator=True).plan()
except ManifestError as error:
    raise SystemExit("\n".join(map(str, error.problems))) from None
print(f"{plan.to_submit} tasks, up to ${plan.estimate_usd:.2f}")

summary = Batch(rows, batch="town.batch", emulator=True).run(budget=1.00)
for row in Batch("town.batch").rows():
    if row.status == "failed":
        print(row.id, row.fail_code, row.fail_message)

rows[1]["prompt"] = "A market at noon"  # an edited row is a new video; the other is not paid for again
summary = Batch(rows, batch="town.batch", emulator=True).run(budget=1.00)
