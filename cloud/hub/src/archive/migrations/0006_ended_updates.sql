-- What an ended attempt's updates said: from now on emptied at its end, together with keys and shares.
UPDATE round_replies SET body = x'' WHERE duty = 'fit' AND EXISTS (
    SELECT 1 FROM attempts a WHERE a.run = round_replies.run AND a.round = round_replies.round
    AND a.attempt = round_replies.attempt AND a.ended_at_ms IS NOT NULL
);
