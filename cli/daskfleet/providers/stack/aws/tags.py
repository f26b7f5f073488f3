"""The tags that everything of a fleet carries in AWS; the components give them."""

FLEET_TAG = "daskfleet:fleet"
ROLE_TAG = "daskfleet:role"
GROUP_TAG = "daskfleet:group"
