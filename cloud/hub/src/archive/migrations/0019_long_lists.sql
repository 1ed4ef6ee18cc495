-- A reader's own cases are found without reading everybody's.
CREATE INDEX cases_offered ON cases (offered_to) WHERE offered_to IS NOT NULL;
