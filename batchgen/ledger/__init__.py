"""The batch's memory: what was asked, paid and received."""

from batchgen.ledger import doubt, evidence, money, recovery, standing
from batchgen.ledger.intake import Intake, take_in
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.results import ResultRow

__all__ = ["Intake", "Ledger", "ResultRow", "doubt", "evidence", "money", "recovery", "standing", "take_in"]
