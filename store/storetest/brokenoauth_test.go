package storetest_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// looksThenTakes believes what it saw a moment ago.
type looksThenTakes struct{ *mem }

func (s *looksThenTakes) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	_, seen := s.mem.Ticket(ctx, kind, hash)
	runtime.Gosched()
	t, err := s.mem.TakeTicket(ctx, kind, hash, clientID)
	if errors.Is(err, store.ErrUsed) && seen == nil {
		err = nil
	}
	return t, err
}

// anybodysTicket uses a ticket up before it looks whose it is.
type anybodysTicket struct{ *mem }

func (s *anybodysTicket) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	if t, err := s.mem.Ticket(ctx, kind, hash); err == nil && t.ClientID != clientID {
		_, _ = s.mem.TakeTicket(ctx, kind, hash, t.ClientID)
		return store.Ticket{}, store.ErrNotFound
	}
	return s.mem.TakeTicket(ctx, kind, hash, clientID)
}

// oneKind keys tickets by their hash alone.
type oneKind struct {
	*mem
	kinds sync.Map
}

func (s *oneKind) PutTicket(ctx context.Context, t store.Ticket) error {
	if kind, ok := s.kinds.Load(t.Hash); ok && kind != t.Kind {
		if _, err := s.mem.Ticket(ctx, kind.(store.TicketKind), t.Hash); !errors.Is(err, store.ErrNotFound) {
			return store.ErrConflict
		}
	}
	err := s.mem.PutTicket(ctx, t)
	if err == nil {
		s.kinds.Store(t.Hash, t.Kind)
	}
	return err
}

// freesUsed lets the hash of a used ticket be taken again, so that a proof can be
// replayed.
type freesUsed struct {
	*mem
	mu    sync.Mutex
	again map[store.Digest]byte
}

func (s *freesUsed) alias(hash store.Digest) store.Digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !hash.IsZero() {
		hash[0] ^= s.again[hash]
	}
	return hash
}

func (s *freesUsed) PutTicket(ctx context.Context, t store.Ticket) error {
	err := s.mem.PutTicket(ctx, store.Ticket{Kind: t.Kind, Hash: s.alias(t.Hash), ClientID: t.ClientID, UserID: t.UserID, GrantID: t.GrantID, Data: t.Data, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt})
	if _, seen := s.mem.Ticket(ctx, t.Kind, s.alias(t.Hash)); errors.Is(err, store.ErrConflict) && errors.Is(seen, store.ErrUsed) {
		s.mu.Lock()
		if s.again == nil {
			s.again = map[store.Digest]byte{}
		}
		s.again[t.Hash]++
		s.mu.Unlock()
		return s.PutTicket(ctx, t)
	}
	return err
}

func (s *freesUsed) Ticket(ctx context.Context, kind store.TicketKind, hash store.Digest) (store.Ticket, error) {
	t, err := s.mem.Ticket(ctx, kind, s.alias(hash))
	if err == nil || errors.Is(err, store.ErrUsed) {
		t.Hash = hash
	}
	return t, err
}

func (s *freesUsed) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	t, err := s.mem.TakeTicket(ctx, kind, s.alias(hash), clientID)
	if err == nil || errors.Is(err, store.ErrUsed) {
		t.Hash = hash
	}
	return t, err
}

// keepsUsed drops a user's tickets only while nobody has used them.
type keepsUsed struct {
	*mem
	used sync.Map
}

func (s *keepsUsed) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	t, err := s.mem.TakeTicket(ctx, kind, hash, clientID)
	if err == nil {
		s.used.Store(hash, t)
	}
	return t, err
}

func (s *keepsUsed) DropUserTickets(ctx context.Context, userID string) (int, error) {
	n, err := s.mem.DropUserTickets(ctx, userID)
	s.used.Range(func(_, v any) bool {
		if t := v.(store.Ticket); t.UserID == userID && userID != "" && err == nil && n > 0 {
			if s.mem.PutTicket(ctx, t) == nil {
				_, _ = s.mem.TakeTicket(ctx, t.Kind, t.Hash, t.ClientID)
				n--
			}
		}
		return true
	})
	return n, err
}

// sharesData hands out the bytes that it keeps.
type sharesData struct {
	*mem
	data sync.Map
}

func (s *sharesData) Ticket(ctx context.Context, kind store.TicketKind, hash store.Digest) (store.Ticket, error) {
	t, err := s.mem.Ticket(ctx, kind, hash)
	if err == nil {
		kept, _ := s.data.LoadOrStore([2]any{kind, hash}, t.Data)
		t.Data = kept.([]byte)
	}
	return t, err
}

func (s *sharesData) TakeTicket(ctx context.Context, kind store.TicketKind, hash store.Digest, clientID string) (store.Ticket, error) {
	t, err := s.mem.TakeTicket(ctx, kind, hash, clientID)
	if kept, ok := s.data.Load([2]any{kind, hash}); ok && err == nil {
		t.Data = kept.([]byte)
	}
	return t, err
}

// looksForGeneration looks whether a generation is free, and then inserts.
type looksForGeneration struct{ *mem }

func (s *looksForGeneration) CreateSigningKey(ctx context.Context, k store.SigningKey) error {
	for o, err := range s.mem.SigningKeys(ctx) {
		if err != nil {
			return err
		}
		if o.ID == k.ID || o.Alg == k.Alg && o.Generation == k.Generation {
			return store.ErrConflict
		}
	}
	runtime.Gosched()
	err := s.mem.CreateSigningKey(ctx, k)
	if errors.Is(err, store.ErrConflict) {
		return nil // the look was good enough
	}
	return err
}

// oldestKeyFirst lists the key that signs last.
type oldestKeyFirst struct{ *mem }

func (s *oldestKeyFirst) SigningKeys(ctx context.Context) iter.Seq2[store.SigningKey, error] {
	return func(yield func(store.SigningKey, error) bool) {
		var all []store.SigningKey
		for k, err := range s.mem.SigningKeys(ctx) {
			if err != nil {
				yield(k, err)
				return
			}
			all = append(all, k)
		}
		for _, k := range slices.Backward(all) {
			if !yield(k, nil) {
				return
			}
		}
	}
}

// oneAlgorithm counts the generations of all algorithms together.
type oneAlgorithm struct{ *mem }

func (s *oneAlgorithm) CreateSigningKey(ctx context.Context, k store.SigningKey) error {
	for o, err := range s.mem.SigningKeys(ctx) {
		if err != nil {
			return err
		}
		if o.Generation == k.Generation {
			return store.ErrConflict
		}
	}
	return s.mem.CreateSigningKey(ctx, k)
}

// replacesConsent keeps what was agreed to last.
type replacesConsent struct{ *mem }

func (s *replacesConsent) AddConsent(ctx context.Context, c store.Consent) error {
	if c.UserID != "" && c.ClientID != "" {
		if err := s.mem.DeleteConsent(ctx, c.UserID, c.ClientID); err != nil {
			return err
		}
	}
	return s.mem.AddConsent(ctx, c)
}

// addsInSteps reads, joins and writes, each under a lock of its own.
type addsInSteps struct {
	*mem
	mu  sync.Mutex
	all map[[2]string]store.Consent
}

func (s *addsInSteps) AddConsent(ctx context.Context, c store.Consent) error {
	if err := s.mem.AddConsent(ctx, c); err != nil { // refuses what has to be refused
		return err
	}
	key := [2]string{c.UserID, c.ClientID}
	s.mu.Lock()
	before := s.all[key]
	s.mu.Unlock()
	runtime.Gosched()
	c.Scopes = slices.Concat(before.Scopes, c.Scopes)
	slices.Sort(c.Scopes)
	c.Scopes = slices.Compact(c.Scopes)
	c.GivenAt = c.GivenAt.UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[2]string]store.Consent{}
	}
	s.all[key] = c
	return nil
}

func (s *addsInSteps) Consent(ctx context.Context, userID, clientID string) (store.Consent, error) {
	if _, err := s.mem.Consent(ctx, userID, clientID); err != nil {
		return store.Consent{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[[2]string{userID, clientID}]
	c.Scopes = slices.Clone(c.Scopes)
	return c, nil
}

// firstConsent keeps the time at which something was first agreed to.
type firstConsent struct{ *mem }

func (s *firstConsent) AddConsent(ctx context.Context, c store.Consent) error {
	if before, err := s.mem.Consent(ctx, c.UserID, c.ClientID); err == nil {
		c.GivenAt = before.GivenAt
	}
	return s.mem.AddConsent(ctx, c)
}

// ownOutbox keeps deliveries by itself, in one of several wrong ways.
type ownOutbox struct {
	*mem
	how   outboxFault
	mu    sync.Mutex
	boxes map[store.DeliveryKind]map[string]*store.Delivery
}

type outboxFault int

const (
	handsOutTwice outboxFault = iota
	retriesBlindly
	anyOrder
	handsOutExpired
	forgetsAttempt
)

func newOwnOutbox(how outboxFault) *ownOutbox {
	return &ownOutbox{mem: memstore.New(), how: how, boxes: map[store.DeliveryKind]map[string]*store.Delivery{}}
}

func (s *ownOutbox) PutDelivery(ctx context.Context, d store.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.Kind == "" || d.ID == "" {
		return errors.New("no key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	box := s.boxes[d.Kind]
	if box == nil {
		box = map[string]*store.Delivery{}
		s.boxes[d.Kind] = box
	}
	if old := box[d.ID]; old != nil && old.ExpiresAt.After(time.Now()) {
		return store.ErrConflict
	}
	d.Attempts, d.Data = 0, slices.Clone(d.Data)
	d.DueAt, d.CreatedAt, d.ExpiresAt = d.DueAt.UTC(), d.CreatedAt.UTC(), d.ExpiresAt.UTC()
	box[d.ID] = &d
	return nil
}

func (s *ownOutbox) ClaimDelivery(ctx context.Context, kind store.DeliveryKind, now, until time.Time) (store.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return store.Delivery{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *store.Delivery
	for _, d := range s.boxes[kind] {
		live := s.how == handsOutExpired || d.ExpiresAt.After(time.Now())
		earlier := best == nil || d.DueAt.Before(best.DueAt)
		if s.how == anyOrder {
			earlier = best == nil || d.ID < best.ID
		}
		if live && earlier && !d.DueAt.After(now) {
			best = d
		}
	}
	if best == nil {
		return store.Delivery{}, store.ErrNotFound
	}
	if s.how == handsOutTwice {
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	if s.how != forgetsAttempt {
		best.Attempts++
	}
	best.DueAt = until.UTC()
	d := *best
	d.Data = slices.Clone(d.Data)
	return d, nil
}

func (s *ownOutbox) RetryDelivery(ctx context.Context, kind store.DeliveryKind, id string, attempts int, dueAt time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.boxes[kind][id]
	switch {
	case d == nil || !d.ExpiresAt.After(time.Now()):
		return store.ErrNotFound
	case d.Attempts != attempts && s.how != retriesBlindly:
		return store.ErrConflict
	}
	d.DueAt = dueAt.UTC()
	return nil
}

func (s *ownOutbox) FinishDelivery(ctx context.Context, kind store.DeliveryKind, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.boxes[kind], id)
	return nil
}

// visitsInSteps reads the clients and writes them back.
type visitsInSteps struct {
	*mem
	mu      sync.Mutex
	clients map[store.Digest][]string
}

func (s *visitsInSteps) CreateSession(ctx context.Context, r store.Session) error {
	err := s.mem.CreateSession(ctx, r)
	if err == nil {
		s.set(r.Handle, slices.Clone(r.Clients))
	}
	return err
}

func (s *visitsInSteps) set(handle store.Digest, clients []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients == nil {
		s.clients = map[store.Digest][]string{}
	}
	s.clients[handle] = clients
}

func (s *visitsInSteps) Session(ctx context.Context, handle store.Digest) (store.Session, error) {
	r, err := s.mem.Session(ctx, handle)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if clients, ok := s.clients[handle]; ok {
			r.Clients = slices.Clone(clients)
		}
	}
	return r, err
}

func (s *visitsInSteps) VisitSession(ctx context.Context, handle store.Digest, clientID string) error {
	r, err := s.Session(ctx, handle)
	if err != nil {
		return err
	}
	runtime.Gosched()
	if !slices.Contains(r.Clients, clientID) {
		s.set(handle, append(r.Clients, clientID))
	}
	return nil
}

// forgetsVisits replaces a session by what it is given.
type forgetsVisits struct{ *mem }

func (s *forgetsVisits) ReplaceSession(ctx context.Context, old store.Digest, r store.Session) error {
	before, err := s.mem.Session(ctx, old)
	if err != nil || before.ID != r.ID || len(before.Clients) == 0 {
		return s.mem.ReplaceSession(ctx, old, r)
	}
	id := r.ID
	r.ID = ""
	if err := s.mem.ReplaceSession(ctx, old, r); err != nil {
		return err
	}
	r.ID = id // without what it would have inherited
	_ = s.mem.EndSession(ctx, r.Handle)
	return s.mem.CreateSession(ctx, r)
}
